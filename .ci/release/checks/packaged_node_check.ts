/**
 * A package's palyra-node with a daemon that the test scripts. `PALYRA_TEST_PROGRAMS` names the package's folder.
 *
 * @module
 */
import { join } from "node:path";
import { openerCommand } from "../../../node_host/capabilities/opener.ts";
import type { ScriptedTransport } from "../../../node_host/testing/scripted_host.ts";
import { BUILT_PROGRAMS_VARIABLE } from "../../../tests/harness/program.ts";
import { testBuiltNode } from "./built_node_tests.ts";

const folder = Deno.env.get(BUILT_PROGRAMS_VARIABLE) ?? "";

/** The start script with the test's opener in the place of the platform's, and everything else as it is. */
async function scriptWithOpener(opener: string): Promise<string> {
  const script = await Deno.readTextFile(join(folder, "palyra-node"));
  const changed = script.replace(`--allow-run=${openerCommand(Deno.build.os)},`, `--allow-run=${opener},`);
  if (changed === script) throw new Error("the start script does not let the platform's opener be started");
  const path = await Deno.makeTempFile({ dir: folder, prefix: "palyra-node-" });
  await Deno.writeTextFile(path, changed);
  await Deno.chmod(path, 0o700);
  return path;
}

for (const transport of ["grpc", "quic"] as const satisfies readonly ScriptedTransport[]) {
  testBuiltNode({
    name: `of a package over ${transport}`,
    transport,
    always: ["read", "sys"],
    clearEnv: true,
    command: async (withPermissions, { opener }) => [
      withPermissions ? await scriptWithOpener(opener.command) : join(folder, "palyra-node-headless"),
    ],
  });
}
