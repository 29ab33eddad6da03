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

/** The tests of the sources that start the programs as processes of their own. */
const SHARED_TESTS: readonly string[] = [
  "tests/command_line_test.ts",
  "tests/daemon_start_test.ts",
  "tests/hostile_peer_test.ts",
  "tests/lifecycle_test.ts",
  "tests/man_in_the_middle_test.ts",
  "tests/operations_test.ts",
  "tests/quic_roaming_test.ts",
  "tests/secrets_test.ts",
  "tests/stranger_test.ts",
  "tests/transport_fallback_test.ts",
];

/** The tests of a package alone. */
const PACKAGE_TESTS: readonly string[] = [
  ".ci/release/checks/packaged_programs_check.ts",
  ".ci/release/checks/packaged_node_check.ts",
];

/** Starts a command where only loopback is left. */
const LOOPBACK_ALONE = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"];

/** Copies a folder of sources with what git knows of them, and nothing that was made of them. */
const COPY = 'mkdir "$2" && tar -C "$1" --exclude=./dist --exclude=./node_modules -cf - . | tar -C "$2" -xf -';

async function makePackage(projectFolder: string, output: string): Promise<void> {
  await runTool(Deno.execPath(), ["run", "-A", ".ci/release/package.ts", "--output", output], { cwd: projectFolder });
}

const folder = await Deno.makeTempDir({ prefix: "palyra-package-" });
try {
  const name = packageName(releaseTarget());
  await makePackage(PROJECT_FOLDER, folder);
  // Once more, from sources that lie elsewhere: the checks compare the two.
  const elsewhere = join(folder, "sources");
  await runTool("sh", ["-c", COPY, "sh", PROJECT_FOLDER, elsewhere]);
  await makePackage(elsewhere, join(folder, "again"));
  await runTool("tar", ["-xzf", join(folder, `${name}.tar.gz`), "-C", folder]);

  const test = [Deno.execPath(), "run", "-A", "tests/run.ts", ...SHARED_TESTS, ...PACKAGE_TESTS];
  const isolated = Deno.build.os === "linux" &&
    (await tryTool("unshare", [...LOOPBACK_ALONE.slice(1), "true"])).success;
  print(
    isolated ? "There is no network but loopback." : "The network stays: this system does not let it be taken away.",
  );
  const [command = "", ...args] = [...isolated ? LOOPBACK_ALONE : [], ...test];
  const { code } = await new Deno.Command(command, {
    args,
    cwd: PROJECT_FOLDER,
    env: { [BUILT_PROGRAMS_VARIABLE]: join(folder, name) },
  }).spawn().status;
  Deno.exitCode = code;
} finally {
  await Deno.remove(folder, { recursive: true });
}
