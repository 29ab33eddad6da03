import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { TESTS_BUILT_PROGRAMS } from "./harness/program.ts";

const RUN = fileURLToPath(new URL("./full_disk_run.ts", import.meta.url));

/** Whether this process may mount something where nobody else sees it. */
const mayMount = !TESTS_BUILT_PROGRAMS && Deno.build.os === "linux" && Deno.uid() === 0 &&
  await new Deno.Command("unshare", { args: ["--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], stderr: "null" })
    .output().then(({ success }) => success, () => false);

Deno.test({
  name: "on a full disk the daemon accepts nothing, keeps what it owes, and goes on when there is room again",
  ignore: !mayMount,
  fn: async () => {
    const args = ["--mount", Deno.execPath(), "run", "--quiet", "--no-prompt", "-A", RUN];
    const run = await new Deno.Command("unshare", { args, stdout: "piped", stderr: "piped" }).output();
    const output = new TextDecoder().decode(run.stdout) + new TextDecoder().decode(run.stderr);
    assert.ok(run.success, output);
  },
});
