/**
 * A real palyrad whose disk is full for a while; run by `full_disk_test.ts` in a mount namespace of its own, as root.
 *
 * @module
 */
import { join } from "node:path";
import { Fleet } from "./harness/fleet.ts";
import { livesThroughUnwritableState } from "./unwritable_state.ts";

/** Room for a database with some requests in it. */
const DISK = "8m";

async function run(command: string, ...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(command, { args, stdout: "null", stderr: "piped" }).output();
  if (!success) throw new Error(`${command} ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
}

/** Writes until nothing fits any more. */
function fill(path: string): void {
  using file = Deno.openSync(path, { create: true, write: true });
  for (let bytes = 64 * 1024; bytes >= 1; bytes = Math.floor(bytes / 4)) {
    try {
      for (;;) file.writeSync(new Uint8Array(bytes));
    } catch {
      // Less may still fit.
    }
  }
}

await using fleet = await Fleet.create();
await Deno.mkdir(fleet.daemonRoot, { recursive: true });
await run("mount", "-t", "tmpfs", "-o", `size=${DISK}`, "tmpfs", fleet.daemonRoot);
await using disposal = new AsyncDisposableStack();
// Before the fleet removes its folders; what still runs keeps what it has open.
disposal.defer(() => run("umount", "--lazy", fleet.daemonRoot));
const nodes = await Deno.makeTempDir();
disposal.defer(() => Deno.remove(nodes, { recursive: true }));

const ballast = join(fleet.daemonRoot, "ballast");
await livesThroughUnwritableState(fleet, nodes, {
  spoil: async () => await Promise.resolve(fill(ballast)),
  mend: () => Deno.remove(ballast),
  said: "No room is left for the state database",
});
