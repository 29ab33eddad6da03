import { join } from "node:path";
import { PalyraError } from "../../identity/palyra_error.ts";
import { TESTED_DENO_VERSIONS } from "../../transport/grpc/deno_version.ts";
import { executablePlatformOf } from "./executable_format.ts";
import type { ReleaseTarget } from "./release_target.ts";
import { tryTool } from "./run_tool.ts";

/** Deno as npm ships it for a target. */
export interface DenoBinary {
  readonly version: string;
  readonly executable: string;
  /** The text of Deno's licence. */
  readonly licence: string;
}

/**
 * The Deno that the programs are tested on, for any target, by npm, which checks what it gets against the registry's
 * digests. It is unpacked below `folder`, and none of its scripts are run.
 *
 * @throws {PalyraError} `unsupported` when npm cannot have it, `execution_failed` when it is for something else.
 */
export async function fetchDeno(target: ReleaseTarget, folder: string): Promise<DenoBinary> {
  const [version = ""] = TESTED_DENO_VERSIONS;
  const wanted = `${target.denoPackage}@${version}`;
  await Deno.mkdir(folder, { recursive: true });
  const npm = Deno.build.os === "windows" ? "npm.cmd" : "npm";
  // `--force`: npm would refuse a package that is for another platform than this one.
  const how = [
    "--prefix",
    folder,
    "--no-save",
    "--ignore-scripts",
    "--omit=optional",
    "--no-audit",
    "--no-fund",
    "--force",
  ];
  const { success, stderr } = await tryTool(npm, ["install", ...how, `deno@${version}`, wanted]);
  if (!success) {
    throw new PalyraError(
      "unsupported",
      `npm could not get ${wanted}, which a package for ${target.name} holds: use a registry that has it.`,
      { cause: stderr },
    );
  }
  const modules = join(folder, "node_modules");
  const executable = join(modules, ...target.denoPackage.split("/"), `deno${target.executableSuffix}`);
  const platform = await executablePlatformOf(executable);
  if (platform?.os !== target.os || platform.arch !== target.arch) {
    throw new PalyraError("execution_failed", `${wanted} holds no executable for ${target.name}.`);
  }
  return { version, executable, licence: await Deno.readTextFile(join(modules, "deno", "LICENSE")) };
}
