/**
 * `deno task check-package`: makes a package for this platform, unpacks it into an empty folder, and runs the end-to-end
 * tests on it, without any network but loopback where the system lets it be taken away.
 *
 * @module
 */
import { join } from "node:path";
import { print } from "../../transport/program/cli_output.ts";
import { BUILT_PROGRAMS_VARIABLE } from "../../tests/harness/program.ts";
import { packageName } from "./package_archive.ts";
import { PROJECT_FOLDER } from "./release_program.ts";
import { releaseTarget } from "./release_target.ts";
import { runTool, tryTool } from "./run_tool.ts";

/** The tests that start the programs as processes of their own. */
const SHARED_TESTS: readonly string[] = [
  "tests/daemon_start_test.ts",
  "tests/lifecycle_test.ts",
  "tests/man_in_the_middle_test.ts",
  "tests/secrets_test.ts",
  "tests/stranger_test.ts",
  "tests/transport_fallback_test.ts",
];

/** Starts a command where only loopback is left. */
const LOOPBACK_ALONE = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"];

const folder = await Deno.makeTempDir({ prefix: "palyra-package-" });
try {
  const target = releaseTarget();
  await runTool(Deno.execPath(), ["run", "-A", ".ci/release/package.ts", "--output", folder], { cwd: PROJECT_FOLDER });
  await runTool("tar", ["-xzf", join(folder, `${packageName(target)}.tar.gz`), "-C", folder]);

  const test = [Deno.execPath(), "run", "-A", "tests/run.ts"];
  const args = [...SHARED_TESTS, ".ci/release/checks/built_programs_check.ts"];
  const isolated = Deno.build.os === "linux" &&
    (await tryTool("unshare", [...LOOPBACK_ALONE.slice(1), "true"])).success;
  print(
    isolated ? "There is no network but loopback." : "The network stays: this system does not let it be taken away.",
  );
  const [command = "", ...rest] = [...isolated ? LOOPBACK_ALONE : [], ...test, ...args];
  const { code } = await new Deno.Command(command, {
    args: rest,
    cwd: PROJECT_FOLDER,
    env: { [BUILT_PROGRAMS_VARIABLE]: join(folder, packageName(target)) },
  }).spawn().status;
  Deno.exitCode = code;
} finally {
  await Deno.remove(folder, { recursive: true });
}
