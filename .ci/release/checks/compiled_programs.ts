import { join } from "node:path";
import { openerCommand } from "../../../node_host/capabilities/opener.ts";
import { compiledFlags, compileProgram } from "../compiled_program.ts";
import {
  BUNDLE_ENTRIES,
  bundleFile,
  type BundleName,
  RELEASE_PROGRAMS,
  type ReleaseProgram,
  type ReleaseProgramName,
} from "../release_program.ts";
import { type ReleaseStage, stageRelease } from "../release_stage.ts";
import { releaseTarget } from "../release_target.ts";
import { sourceRevision } from "../source_revision.ts";
import { fetchUntestedRuntime, UNTESTED_DENO_VERSION, untestedRuntimeIn } from "./untested_runtime.ts";

/** Names the folder that {@linkcode CompiledPrograms.make} has filled. */
export const COMPILED_PROGRAMS_VARIABLE = "PALYRA_TEST_COMPILED";

/** How a program ended that was run to its end. */
export interface CompiledEnd {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Which compilation of a program: as a release has it, the same again from a stage elsewhere, and one that starts on this
 * Deno, which the released one refuses.
 */
export type CompiledBuild = "as-released" | "again" | "adapted";

/** The programs, compiled with a Deno that they are not tested on, in a folder. */
export class CompiledPrograms {
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  /** Compiles all of them, each build, into `folder`. */
  static async make(folder: string): Promise<CompiledPrograms> {
    const programs = new CompiledPrograms(folder);
    await fetchUntestedRuntime(programs.#runtimeFolder);
    const revision = await sourceRevision();
    const stage = await stageRelease(programs.#stage.folder, releaseTarget(), revision);
    const elsewhere = await stageRelease(join(folder, "else", "where"), releaseTarget(), revision);
    await programs.#compileAll(stage, "as-released");
    await programs.#compileAll(elsewhere, "again");
    await adapt(stage.folder);
    await programs.#compileAll(stage, "adapted");
    return programs;
  }

  /** Those that were made before, in the folder that {@linkcode COMPILED_PROGRAMS_VARIABLE} names. */
  static here(): CompiledPrograms {
    const folder = Deno.env.get(COMPILED_PROGRAMS_VARIABLE);
    if (folder === undefined) {
      throw new Error(`${COMPILED_PROGRAMS_VARIABLE} is not set: run \`deno task check-compiled\``);
    }
    return new CompiledPrograms(folder);
  }

  /** Where an executable lies. */
  path(program: ReleaseProgramName, build: CompiledBuild): string {
    return join(this.folder, build, program);
  }

  /** Compiles palyra-node, adapted, with another opener in the place of the platform's, and everything else as it is. */
  async nodeWithOpener(opener: string): Promise<string> {
    const program = RELEASE_PROGRAMS.find(({ name }) => name === "palyra-node");
    if (program === undefined) throw new Error("a release holds palyra-node");
    const { target } = this.#stage;
    const flags = compiledFlags(program, target).map((flag) =>
      flag.replace(`--allow-run=${openerCommand(target.os)},`, `--allow-run=${opener},`)
    );
    if (!flags.some((flag) => flag.includes(opener))) throw new Error("the platform's opener is not baked in");
    const output = join(await Deno.makeTempDir({ dir: this.folder, prefix: "opener-" }), program.name);
    await this.#compile(program, this.#stage, output, flags);
    return output;
  }

  /** Runs a program to its end, with nothing in its environment but `env`. */
  async run(
    program: ReleaseProgramName,
    args: readonly string[],
    env: Readonly<Record<string, string>>,
    build: CompiledBuild = "adapted",
  ): Promise<CompiledEnd> {
    const command = new Deno.Command(this.path(program, build), {
      args: [...args],
      env: { ...env },
      clearEnv: true,
      stdin: "null",
    });
    const { code, stdout, stderr } = await command.output();
    const decoder = new TextDecoder();
    return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
  }

  get #stage(): StageOfTarget {
    return { folder: join(this.folder, "stage"), target: releaseTarget() };
  }

  get #runtimeFolder(): string {
    return join(this.folder, "runtime");
  }

  async #compileAll(stage: StageOfTarget, build: CompiledBuild): Promise<void> {
    for (const program of RELEASE_PROGRAMS) {
      // deno-lint-ignore no-await-in-loop -- each takes a processor
      await this.#compile(program, stage, this.path(program.name, build), compiledFlags(program, stage.target));
    }
  }

  async #compile(
    program: ReleaseProgram,
    stage: StageOfTarget,
    output: string,
    flags: readonly string[],
  ): Promise<void> {
    const { deno, stub: path } = untestedRuntimeIn(this.#runtimeFolder);
    const stubSources = { environment: Deno.env, denoFolder: this.folder, denoVersion: UNTESTED_DENO_VERSION };
    await compileProgram(program, stage, { output, stub: { from: "variable", path }, stubSources, deno, flags });
  }
}

type StageOfTarget = Pick<ReleaseStage, "folder" | "target">;

/** Before anything else could be seen of this Deno, the programs would refuse it by its version and by its HTTP/2. */
const START_CHECKS = /^function (?:assertTestedRuntime|installHttp2Guard)\(.*\) \{$/gm;

/** It takes no host name here, but has it from the server's options; without this the daemon would end before its self-check. */
const TLS_LISTEN = /this\.#server\.listen\((\w+), (\w+), (\w+)\);/g;

/** Lets the programs of a stage start on this Deno. */
async function adapt(folder: string): Promise<void> {
  await Promise.all((Object.keys(BUNDLE_ENTRIES) as BundleName[]).map(async (bundle) => {
    const path = join(folder, bundleFile(bundle));
    const text = await Deno.readTextFile(path);
    requireCount(text, START_CHECKS, 2, bundle);
    requireCount(text, TLS_LISTEN, bundle === "palyrad" ? 1 : 0, bundle);
    const adapted = text
      .replaceAll(START_CHECKS, "$&\n  return;")
      .replaceAll(TLS_LISTEN, "this.#server.options.host = $2; this.#server.listen($1, $3);");
    await Deno.writeTextFile(path, adapted);
  }));
}

function requireCount(text: string, pattern: RegExp, count: number, bundle: BundleName): void {
  const found = text.match(pattern)?.length ?? 0;
  if (found !== count) throw new Error(`${bundle} has ${found} matches of ${pattern}, and not ${count}`);
}
