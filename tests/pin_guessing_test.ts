import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { TESTS_BUILT_PROGRAMS } from "./harness/program.ts";
import { say } from "./harness/say.ts";

const RUN = fileURLToPath(new URL("./pin_guessing_run.ts", import.meta.url));

/** Runs a command in a network namespace of its own, in which this machine has all of 10.77.0.0/16. */
function inOwnNetwork(...command: string[]): Promise<Deno.CommandOutput> {
  const prepare = 'ip link set lo up && ip addr add 10.77.0.1/16 dev lo && exec "$@"';
  const args = ["--user", "--map-root-user", "--net", "sh", "-c", prepare, "sh", ...command];
  return new Deno.Command("unshare", { args, stdout: "piped", stderr: "piped" }).output();
}

/** Whether this process may have a network of its own. */
const mayHaveNetwork = !TESTS_BUILT_PROGRAMS && Deno.build.os === "linux" &&
  await inOwnNetwork("true").then(({ success }) => success, () => false);

Deno.test({
  name:
    "S3: a million guesses an hour: the PIN is dead after five, the owner pairs with a new code at once, memory is level",
  ignore: !mayHaveNetwork,
  fn: async () => {
    const run = await inOwnNetwork(Deno.execPath(), "run", "--quiet", "--no-prompt", "-A", RUN);
    const output = new TextDecoder().decode(run.stdout) + new TextDecoder().decode(run.stderr);
    assert.ok(run.success, output);
    say(output.trim());
  },
});
