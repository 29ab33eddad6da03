/**
 * `deno task check-compiled`: the compiled programs on the newest runtime stub that npm has, and a word about what that one
 * cannot show. For Linux x64. That Deno leaves the addon of each program in the folder for temporary files.
 *
 * @module
 */
import { print } from "../../transport/program/cli_output.ts";
import { COMPILED_PROGRAMS_VARIABLE, CompiledPrograms } from "./checks/compiled_programs.ts";
import { UNTESTED_DENO_VERSION } from "./checks/untested_runtime.ts";
import { PROJECT_FOLDER } from "./release_program.ts";

const CHECKS: readonly string[] = [
  ".ci/release/checks/compiled_programs_check.ts",
  ".ci/release/checks/compiled_node_check.ts",
  ".ci/release/checks/other_targets_check.ts",
];

const LEFT_OUT: readonly string[] = [
  "pairing, and sessions over gRPC: its HTTP/2 clients time out, and its TLS servers ask no client for a certificate",
  "the daemon's listeners, QUIC included: it does not start without gRPC; the node is tried with a daemon of the test",
  "the check of Deno's version and the guard of its HTTP/2: the programs as released end there, which is checked, and " +
  "so others are tried that have neither, and whose TLS server is started as this Deno takes it",
];

print(`Left out, as Deno ${UNTESTED_DENO_VERSION} has no more:`);
for (const what of LEFT_OUT) print(`- ${what}`);
const folder = await Deno.makeTempDir({ prefix: "palyra-compiled-" });
try {
  await CompiledPrograms.make(folder);
  const { code } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "tests/run.ts", ...CHECKS],
    cwd: PROJECT_FOLDER,
    env: { [COMPILED_PROGRAMS_VARIABLE]: folder },
  }).spawn().status;
  Deno.exitCode = code;
} finally {
  await Deno.remove(folder, { recursive: true });
}
