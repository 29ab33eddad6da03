/**
 * `deno task check-compiled`: the compiled programs on the newest runtime stub that npm has, and a word about what that one
 * cannot show. For Linux x64. That Deno leaves the addon of each program in the folder for temporary files.
 *
 * @module
 */
import { print } from "../../transport/program/cli_output.ts";
import { UNTESTED_DENO_VERSION } from "./checks/untested_runtime.ts";
import { PROJECT_FOLDER } from "./release_program.ts";

const LEFT_OUT: readonly string[] = [
  "pairing, and sessions over gRPC: its HTTP/2 and its TLS servers lack what they take",
  "the daemon's own QUIC listener: the daemon does not start without gRPC",
  "the daemon's self-check of its port: its TLS server fails before it listens",
];

print(`Left out, as Deno ${UNTESTED_DENO_VERSION} has no more:`);
for (const what of LEFT_OUT) print(`- ${what}`);
const { code } = await new Deno.Command(Deno.execPath(), {
  args: ["run", "-A", "tests/run.ts", ".ci/release/checks/compiled_programs_check.ts"],
  cwd: PROJECT_FOLDER,
}).spawn().status;
Deno.exitCode = code;
