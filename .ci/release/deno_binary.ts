import { basename, join } from "node:path";
import { PalyraError } from "../../identity/palyra_error.ts";
import { TESTED_DENO_VERSIONS } from "../../transport/grpc/deno_version.ts";
import { print } from "../../transport/program/cli_output.ts";
import { executablePlatformOf } from "./executable_format.ts";
import { isFile } from "./is_file.ts";
import type { ReleaseTarget } from "./release_target.ts";
import { tryTool } from "./run_tool.ts";

/** Deno as npm ships it for a target. */
export interface DenoBinary {
  readonly version: string;
  readonly executable: string;
  /** The text of Deno's licence. */
  readonly licence: string;
}

/** Where {@linkcode fetchDeno} looks before it asks npm. */
export interface DenoSources {
  /** `DENO_DIR`, or what Deno takes in its place. */
  readonly denoFolder: string;
}

/**
 * The Deno that the programs are tested on, for any target: the package that somebody put into Deno's cache, else by npm,
 * which checks what it gets against the registry's digests. It is unpacked below `folder`, and none of its scripts are run.
 *
 * @throws {PalyraError} `unsupported` with what to fetch when npm cannot have it, `execution_failed` when it is for
 *   something else or another version.
 */
export async function fetchDeno(target: ReleaseTarget, folder: string, sources: DenoSources): Promise<DenoBinary> {
  const [version = ""] = TESTED_DENO_VERSIONS;
  await Deno.mkdir(folder, { recursive: true });
  const packed = packedDeno(target, version, sources);
  const wanted = await isFile(packed) ? packed : `${target.denoPackage}@${version}`;
  if (wanted === packed) print(`${target.name}: Deno is ${packed}.`);
  const npm = Deno.build.os === "windows" ? "npm.cmd" : "npm";
  const how = [
    "--prefix",
    folder,
    "--no-save",
    "--ignore-scripts",
    "--omit=optional",
    "--no-audit",
    "--no-fund",
    // npm would refuse a package that is for another platform than this one.
    "--force",
  ];
  const { success, stderr } = await tryTool(npm, ["install", ...how, `deno@${version}`, wanted]);
  if (!success) throw denoMissing(target, version, sources, stderr);
  const modules = join(folder, "node_modules");
  const unpacked = join(modules, ...target.denoPackage.split("/"));
  const executable = join(unpacked, `deno${target.executableSuffix}`);
  const { version: found } = JSON.parse(await Deno.readTextFile(join(unpacked, "package.json")));
  const platform = await executablePlatformOf(executable);
  if (platform?.os !== target.os || platform.arch !== target.arch || found !== version) {
    throw new PalyraError("execution_failed", `${wanted} holds no executable of Deno ${version} for ${target.name}.`);
  }
  return { version, executable, licence: await Deno.readTextFile(join(modules, "deno", "LICENSE")) };
}

/** Where a package of Deno is put by hand: beside the stubs that Deno downloads, named as `npm pack` names it. */
export function packedDeno({ denoPackage }: ReleaseTarget, version: string, { denoFolder }: DenoSources): string {
  const file = `${denoPackage.slice(1).replace("/", "-")}-${version}.tgz`;
  return join(denoFolder, "dl", "release", `v${version}`, file);
}

/** What to tell whoever has a registry without that Deno. */
export function denoMissing(
  target: ReleaseTarget,
  version: string,
  sources: DenoSources,
  cause: unknown,
): PalyraError {
  const path = packedDeno(target, version, sources);
  return new PalyraError(
    "unsupported",
    `npm could not get ${target.denoPackage}@${version}, which a package for ${target.name} holds. Where npm can, run ` +
      `\`npm pack ${target.denoPackage}@${version}\`, and put the ${basename(path)} that it makes at ${path}.`,
    { cause },
  );
}
