import { relative } from "node:path";
import { PalyraError } from "../../identity/palyra_error.ts";
import type { NpmCache, NpmPackage } from "./npm_cache.ts";
import { BUNDLE_ENTRIES, type BundleName, PROJECT_FOLDER } from "./release_program.ts";
import { runTool } from "./run_tool.ts";
import type { SourceRevision } from "./source_revision.ts";

/** A program in one file, its npm packages included. */
export interface ProgramBundle {
  readonly text: string;
  /** The npm packages that it has code or data of. */
  readonly packages: readonly NpmPackage[];
}

/** How code names a file by its place beside the module that the code is in. */
const FILE_BESIDE = /new URL\(\s*"\.{1,2}\/[^"]*[^"/]",\s*import\.meta\.url|import\.meta\.resolve\(\s*"\.{1,2}\/[^"]*"/;

/** Bundles a program, which then knows its revision. The same sources give the same text on every machine. */
export async function bundleProgram(
  bundle: BundleName,
  revision: SourceRevision,
  cache: NpmCache,
): Promise<ProgramBundle> {
  const args = ["bundle", "--quiet", "--frozen", "--platform", "deno", BUNDLE_ENTRIES[bundle]];
  const bundled = await runTool(Deno.execPath(), args, { cwd: PROJECT_FOLDER });
  const text = withCommit(withoutMachinePaths(bundled, cache.folder), revision);
  requireComplete(text, bundle);
  return { text, packages: bundledPackages(text) };
}

/** Fills in what `build_commit.ts` leaves empty. Changed files are of no commit: such a program says `unknown`. */
export function withCommit(text: string, { commit, modified }: SourceRevision): string {
  const [before, after, ...more] = text.split('var BUILD_COMMIT = "";');
  if (before === undefined || after === undefined || more.length > 0) {
    throw new PalyraError("execution_failed", "The bundle does not hold BUILD_COMMIT once, as build_commit.ts has it.");
  }
  return `${before}var BUILD_COMMIT = ${JSON.stringify(modified ? "" : commit)};${after}`;
}

/** The bundler labels each module by its path from the project's folder to wherever this machine keeps its packages. */
export function withoutMachinePaths(text: string, cacheFolder: string): string {
  const clean = text.replaceAll(`${relative(PROJECT_FOLDER, cacheFolder).replaceAll("\\", "/")}/`, "npm/");
  for (const folder of [cacheFolder, PROJECT_FOLDER]) {
    if (clean.includes(folder)) {
      throw new PalyraError("execution_failed", `The bundle names ${folder}, which only this machine has.`);
    }
  }
  return clean;
}

/** The packages whose modules a bundle is made of, by its labels `// npm/<name>/<version>/<file>`. */
export function bundledPackages(text: string): NpmPackage[] {
  const labels = text.matchAll(/^ *\/\/ npm\/((?:@[^/\n]+\/)?[^/\n]+)\/(\d[^/\n]*)\//gm);
  const packages = new Map<string, NpmPackage>();
  for (const [, name = "", version = ""] of labels) packages.set(`${name}@${version}`, { name, version });
  return [...packages].toSorted(([left], [right]) => left < right ? -1 : 1).map(([, found]) => found);
}

/** A file that is looked for beside the bundle at run time would not be there. */
export function requireComplete(text: string, bundle: BundleName): void {
  const reference = text.match(FILE_BESIDE)?.[0];
  if (reference === undefined) return;
  throw new PalyraError(
    "execution_failed",
    `The bundle ${bundle} looks for a file beside itself, which no release holds: ${reference}. Import it instead.`,
  );
}
