import { join } from "node:path";
import { compileProgram } from "../compiled_program.ts";
import {
  BUNDLE_ENTRIES,
  bundleFile,
  type BundleName,
  RELEASE_PROGRAMS,
  type ReleaseProgramName,
} from "../release_program.ts";
import { type ReleaseStage, stageRelease } from "../release_stage.ts";
import { releaseTarget } from "../release_target.ts";
import { sourceRevision } from "../source_revision.ts";
import { fetchUntestedRuntime, UNTESTED_DENO_VERSION, type UntestedRuntime } from "./untested_runtime.ts";

/** How a program ended that was run to its end. */
export interface CompiledEnd {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The programs, compiled with a Deno that they are not tested on, in a folder that disposing removes. */
export class CompiledPrograms implements AsyncDisposable {
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  /** Compiles all of them as they are, again from a stage elsewhere, and so that they start on that Deno. */
  static async make(): Promise<CompiledPrograms> {
    const programs = new CompiledPrograms(await Deno.makeTempDir({ prefix: "palyra-compiled-" }));
    try {
      const runtime = await fetchUntestedRuntime(join(programs.folder, "runtime"));
      const revision = await sourceRevision();
      const stage = await stageRelease(join(programs.folder, "stage"), releaseTarget(), revision);
      const elsewhere = await stageRelease(join(programs.folder, "else", "where"), releaseTarget(), revision);
      await compileAll(stage, runtime, join(programs.folder, "as-released"));
      await compileAll(elsewhere, runtime, join(programs.folder, "again"));
      await skipStartChecks(stage);
      await compileAll(stage, runtime, join(programs.folder, "unchecked"));
    } catch (error) {
      await programs[Symbol.asyncDispose]();
      throw error;
    }
    return programs;
  }

  /** Where an executable lies. */
  path(program: ReleaseProgramName, build: "as-released" | "again" | "unchecked"): string {
    return join(this.folder, build, program);
  }

  /** Starts a program with nothing in its environment but `env`. */
  start(
    program: ReleaseProgramName,
    args: readonly string[],
    env: Readonly<Record<string, string>>,
    build: "as-released" | "unchecked" = "unchecked",
  ): Deno.ChildProcess {
    return new Deno.Command(this.path(program, build), {
      args: [...args],
      env: { ...env },
      clearEnv: true,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
  }

  /** Runs a program to its end. */
  async run(...how: Parameters<CompiledPrograms["start"]>): Promise<CompiledEnd> {
    const { code, stdout, stderr } = await this.start(...how).output();
    const decoder = new TextDecoder();
    return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.folder, { recursive: true });
  }
}

async function compileAll(stage: ReleaseStage, { deno, stub }: UntestedRuntime, folder: string): Promise<void> {
  const stubSources = { environment: Deno.env, denoFolder: folder, denoVersion: UNTESTED_DENO_VERSION };
  for (const program of RELEASE_PROGRAMS) {
    const output = join(folder, program.name);
    // deno-lint-ignore no-await-in-loop -- each takes a processor
    await compileProgram(program, stage, { output, stub: { from: "variable", path: stub }, stubSources, deno });
  }
}

/** Both would refuse this Deno before anything else could be seen of it. */
async function skipStartChecks({ folder }: ReleaseStage): Promise<void> {
  const checks = /^function (?:assertTestedRuntime|installHttp2Guard)\(.*\) \{$/gm;
  await Promise.all((Object.keys(BUNDLE_ENTRIES) as BundleName[]).map(async (bundle) => {
    const path = join(folder, bundleFile(bundle));
    const text = await Deno.readTextFile(path);
    if (text.match(checks)?.length !== 2) throw new Error(`${bundle} does not hold both checks once`);
    await Deno.writeTextFile(path, text.replaceAll(checks, "$&\n  return;"));
  }));
}
