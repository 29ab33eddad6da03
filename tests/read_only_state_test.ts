import { join } from "node:path";
import { Fleet } from "./harness/fleet.ts";
import { livesThroughUnwritableState } from "./unwritable_state.ts";

async function chattr(change: "+i" | "-i", path: string): Promise<boolean> {
  const command = new Deno.Command("chattr", { args: [change, path], stdout: "null", stderr: "null" });
  return await command.output().then(({ success }) => success, () => false);
}

/** Whether this process may make a file read-only for those who have it open for writing: root may, on some file systems. */
async function mayMakeReadOnly(): Promise<boolean> {
  const path = await Deno.makeTempFile();
  try {
    using file = await Deno.open(path, { write: true });
    if (!await chattr("+i", path)) return false;
    return await file.write(new Uint8Array(1)).then(() => false, () => true);
  } finally {
    await chattr("-i", path);
    await Deno.remove(path);
  }
}

Deno.test({
  name: "while its database is read-only the daemon accepts nothing, keeps what it owes, and goes on when it may write",
  ignore: !await mayMakeReadOnly(),
  fn: async () => {
    await using fleet = await Fleet.create();
    await using disposal = new AsyncDisposableStack();
    const nodes = await Deno.makeTempDir();
    disposal.defer(() => Deno.remove(nodes, { recursive: true }));
    const log = join(fleet.daemonRoot, "palyrad", "palyrad.sqlite-wal");
    const mend = async () => {
      await chattr("-i", log);
    };
    disposal.defer(mend);
    await livesThroughUnwritableState(fleet, nodes, {
      spoil: async () => {
        await chattr("+i", log);
      },
      mend,
      said: "cannot be written. Check the owner and mode of its folder",
    });
  },
});
