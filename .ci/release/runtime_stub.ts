import { join } from "node:path";
import { PalyraError } from "../../identity/palyra_error.ts";
import { type EnvironmentReader, environmentText } from "../../transport/program/environment.ts";
import { executablePlatformOf } from "./executable_format.ts";
import { isFile } from "./is_file.ts";
import type { ReleaseTarget } from "./release_target.ts";

/** The variable in which Deno takes a stub by its path. */
export const STUB_VARIABLE = "DENORT_BIN";

/** The runtime that `deno compile` puts a program into: Deno without its tools, of the very same version. */
export interface RuntimeStub {
  readonly from: "variable" | "cache" | "download";
  /** Where it lies; for a download, where Deno will keep it. */
  readonly path: string;
}

/** Where {@linkcode findStub} looks. */
export interface StubSources {
  readonly environment: EnvironmentReader;
  /** `DENO_DIR`, or what Deno takes in its place. */
  readonly denoFolder: string;
  readonly denoVersion: string;
}

/**
 * Where the stub of a target comes from: `DENORT_BIN`, then Deno's cache, then Deno's own download.
 *
 * @throws {PalyraError} `invalid_argument` when `DENORT_BIN` names no executable of the target: Deno itself would use it
 *   unseen.
 */
export async function findStub(target: ReleaseTarget, sources: StubSources): Promise<RuntimeStub> {
  const named = environmentText(sources.environment, STUB_VARIABLE);
  if (named !== undefined) {
    await requirePlatform(named, target);
    return { from: "variable", path: named };
  }
  const path = cachedStub(target, sources);
  return { from: await isFile(path) ? "cache" : "download", path };
}

/** Where Deno looks for a stub before it downloads it, and keeps it afterwards. */
export function cachedStub({ triple }: ReleaseTarget, { denoFolder, denoVersion }: StubSources): string {
  return join(denoFolder, "dl", "release", `v${denoVersion}`, `denort-${triple}.zip`);
}

/** Where a stub came from, for people. */
export function stubText({ from, path }: RuntimeStub): string {
  switch (from) {
    case "variable":
      return `${path} (${STUB_VARIABLE})`;
    case "cache":
      return `${path} (Deno's cache)`;
    case "download":
      return "Deno's own download";
  }
}

/** What to tell whoever has no stub and no way to Deno's downloads. */
export function stubMissing(target: ReleaseTarget, sources: StubSources, cause: unknown): PalyraError {
  const path = cachedStub(target, sources);
  return new PalyraError(
    "runtime_unsupported",
    `The runtime for ${target.name} could not be downloaded. On a machine that can, fetch denort-${target.triple}.zip of ` +
      `Deno's release v${sources.denoVersion} and put it, as it is, at ${path}; or unpack it anywhere and name the ` +
      `executable in ${STUB_VARIABLE}. \`deno task package\` needs none.`,
    { cause },
  );
}

async function requirePlatform(path: string, target: ReleaseTarget): Promise<void> {
  const platform = await executablePlatformOf(path).catch((cause: unknown) => {
    throw new PalyraError("invalid_argument", `${STUB_VARIABLE} names ${path}, which cannot be read.`, { cause });
  });
  if (platform?.os === target.os && platform.arch === target.arch) return;
  const is = platform === undefined ? "no executable" : `one for ${platform.os}-${platform.arch}`;
  throw new PalyraError(
    "invalid_argument",
    `${STUB_VARIABLE} names ${path}, which is ${is}: name the stub for ${target.name}, or unset the variable.`,
  );
}
