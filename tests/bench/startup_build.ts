import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { CompiledPrograms } from "../../.ci/release/checks/compiled_programs.ts";
import { UNTESTED_DENO_VERSION } from "../../.ci/release/checks/untested_runtime.ts";
import { filesBelow } from "../../.ci/release/checksums.ts";
import { denoFolder } from "../../.ci/release/deno_folder.ts";
import { NpmCache, type NpmPackage } from "../../.ci/release/npm_cache.ts";
import { packageName } from "../../.ci/release/package_archive.ts";
import { BUNDLE_ENTRIES, bundleFile, PROJECT_FOLDER } from "../../.ci/release/release_program.ts";
import { releaseTarget } from "../../.ci/release/release_target.ts";
import { runTool } from "../../.ci/release/run_tool.ts";
import { findStub } from "../../.ci/release/runtime_stub.ts";
import type { ProgramName } from "../harness/program.ts";

/** The programs, made or not, in one of the ways in which they can be started. */
export interface StartupBuild {
  readonly name: string;
  /** The command line of a program, without its arguments. */
  command(program: ProgramName): readonly string[];
  /** What has to be on the disk for a program to start, in bytes. */
  size(program: ProgramName): Promise<number>;
  /** Whether palyrad starts to serve. */
  readonly daemonServes: boolean;
}

/** The programs from source, as a package, and as executables where there is a runtime stub; made below `folder`. */
export async function startupBuilds(folder: string): Promise<StartupBuild[]> {
  const compiled = await compiledBuild(join(folder, "compiled"));
  return [sourceBuild, await packageBuild(join(folder, "package")), ...(compiled === undefined ? [] : [compiled])];
}

const sourceBuild: StartupBuild = {
  name: "source",
  command: (program) => [...[Deno.execPath(), "run", "--quiet", "--no-prompt", "-A"], entryOf(program)],
  async size(program) {
    const { modules, npmPackages } = JSON.parse(await runTool(Deno.execPath(), ["info", "--json", entryOf(program)]));
    const own = (modules as { size?: number }[]).map(({ size = 0 }) => size);
    const cache = await NpmCache.find();
    const packages = Object.values(npmPackages as Record<string, NpmPackage>).map((each) => cache.packageFolder(each))
      // Those that are for other platforms alone are not unpacked here.
      .filter((path) => existsSync(path));
    return sum([...own, ...await Promise.all(packages.map(folderSize)), await fileSize(Deno.execPath())]);
  },
  daemonServes: true,
};

function entryOf(program: ProgramName): string {
  return fileURLToPath(new URL(`../../${BUNDLE_ENTRIES[program]}`, import.meta.url));
}

async function packageBuild(folder: string): Promise<StartupBuild> {
  const name = packageName(releaseTarget());
  await releaseTool("package", folder);
  await runTool("tar", ["-xzf", join(folder, `${name}.tar.gz`), "-C", folder]);
  const library = join(folder, name, "lib");
  return {
    name: "package",
    command: (program) => [join(folder, name, program)],
    size: async (program) =>
      sum([
        await fileSize(join(library, "deno")),
        await fileSize(join(library, bundleFile(program))),
        await folderSize(join(library, "node_modules")),
      ]),
    daemonServes: true,
  };
}

/** With this Deno's stub where there is one, else with the one that the compiled programs are tried out with. */
async function compiledBuild(folder: string): Promise<StartupBuild | undefined> {
  const target = releaseTarget();
  const sources = { environment: Deno.env, denoFolder: await denoFolder(), denoVersion: Deno.version.deno };
  if ((await findStub(target, sources)).from !== "download") {
    await releaseTool("compile", folder);
    return compiledIn("compiled", (program) => join(folder, program), true);
  }
  if (target.name !== "linux-x64") return undefined;
  const programs = await CompiledPrograms.make(folder);
  const name = `compiled, Deno ${UNTESTED_DENO_VERSION}`;
  return compiledIn(name, (program) => programs.path(program, "adapted"), false);
}

function compiledIn(name: string, path: (program: ProgramName) => string, daemonServes: boolean): StartupBuild {
  return { name, command: (program) => [path(program)], size: (program) => fileSize(path(program)), daemonServes };
}

async function releaseTool(tool: "compile" | "package", output: string): Promise<void> {
  await runTool(Deno.execPath(), ["run", "-A", `.ci/release/${tool}.ts`, "--output", output], { cwd: PROJECT_FOLDER });
}

async function folderSize(folder: string): Promise<number> {
  return sum(await Promise.all((await filesBelow(folder)).map((file) => fileSize(join(folder, file)))));
}

async function fileSize(path: string): Promise<number> {
  return (await Deno.stat(path)).size;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}
