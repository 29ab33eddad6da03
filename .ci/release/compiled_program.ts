import { dirname, posix, resolve } from "node:path";
import { PalyraError } from "../../identity/palyra_error.ts";
import { permissionFlags, RUNTIME_FLAGS } from "./permission_list.ts";
import { bundleFile, type ReleaseProgram } from "./release_program.ts";
import { addonFile, type ReleaseStage } from "./release_stage.ts";
import type { ReleaseTarget } from "./release_target.ts";
import { inOneLine, tryTool } from "./run_tool.ts";
import { type RuntimeStub, STUB_VARIABLE, stubMissing, type StubSources } from "./runtime_stub.ts";

/** How {@linkcode compileProgram} compiles. */
export interface CompileOptions {
  /** Where the executable is written. Its name must stay the program's: see {@linkcode compiledAddonPath}. */
  readonly output: string;
  readonly stub: RuntimeStub;
  readonly stubSources: StubSources;
  /** The Deno that compiles. Default: the one that runs this. Tests name another. */
  readonly deno?: string;
  /** What is baked in. Default: {@linkcode compiledFlags}. */
  readonly flags?: readonly string[];
}

/**
 * Compiles a program of a stage into one executable, with its permissions baked in. The same stage gives the same bytes.
 *
 * @throws {PalyraError} `runtime_unsupported` with what to fetch when no stub could be had, `execution_failed` else.
 */
export async function compileProgram(
  program: ReleaseProgram,
  { folder, target }: Pick<ReleaseStage, "folder" | "target">,
  { output, stub, stubSources, deno = Deno.execPath(), flags = compiledFlags(program, target) }: CompileOptions,
): Promise<void> {
  await Deno.mkdir(dirname(output), { recursive: true });
  const args = [
    ...["compile", "--quiet", "--no-config", "--no-lock", "--no-remote", "--no-check", "--target", target.triple],
    ...flags,
    ...(target.addonPackage === undefined ? [] : ["--include", "node_modules"]),
    ...["--output", resolve(output), bundleFile(program.bundle)],
  ];
  const env: Record<string, string> = stub.from === "variable" ? { [STUB_VARIABLE]: resolve(stub.path) } : {};
  const { success, stderr } = await tryTool(deno, args, { cwd: folder, env });
  if (success) return;
  if (stub.from === "download" && stderr.includes("/denort-")) throw stubMissing(target, stubSources, stderr);
  throw new PalyraError("execution_failed", `${program.name} could not be compiled: ${inOneLine(stderr)}`);
}

/** What is baked into the executable of a program. */
export function compiledFlags(program: ReleaseProgram, target: ReleaseTarget): string[] {
  const addonPath = compiledAddonPath(program, target);
  return [...RUNTIME_FLAGS, ...permissionFlags(program.name, target, { addonPath })];
}

/**
 * Under which path Deno lets an executable load its addon: in a folder that it only pretends to have, below the folder for
 * temporary files and named after the executable. An executable that is renamed, or started with another `TMPDIR`, may
 * therefore not load it, and speaks gRPC alone. To allow every library instead would open the fence.
 */
export function compiledAddonPath({ name }: ReleaseProgram, target: ReleaseTarget): string | undefined {
  const file = addonFile(target);
  return file === undefined ? undefined : posix.join("/tmp", `deno-compile-${name}`, file);
}

/** The name of a program's executable. */
export function executableName({ name }: ReleaseProgram, { executableSuffix }: ReleaseTarget): string {
  return `${name}${executableSuffix}`;
}
