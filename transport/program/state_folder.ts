import { isAbsolute, join, resolve } from "node:path";
import { getLogger } from "@logtape/logtape";
import { PalyraError } from "../../identity/palyra_error.ts";
import { type EnvironmentReader, environmentText } from "./environment.ts";

/** The folder of one program within the state root. */
export type ProgramFolder = "palyrad" | "node-host";

/** What decides where state lives. */
export interface StateRootSources {
  /** The text of `--state-root`. */
  readonly flag?: string | undefined;
  /** `Deno.env` by default. */
  readonly environment?: EnvironmentReader;
  /** This machine's by default. */
  readonly platform?: typeof Deno.build.os;
}

const logger = getLogger(["palyra", "program", "state"]);

/**
 * The state root: `--state-root`, else `PALYRA_STATE_ROOT`, else the platform's convention: `$XDG_STATE_HOME/palyra` or
 * `~/.local/state/palyra` (XDG Base Directory 0.8), `~/Library/Application Support/Palyra`, `%LOCALAPPDATA%\Palyra`.
 *
 * @throws {PalyraError} `invalid_config` when nothing tells where the user's home is.
 */
export function stateRoot(sources: StateRootSources = {}): string {
  const environment = sources.environment ?? Deno.env;
  const named = sources.flag || environmentText(environment, "PALYRA_STATE_ROOT");
  if (named !== undefined) return resolve(named);
  switch (sources.platform ?? Deno.build.os) {
    case "windows":
      return join(folderFrom(environment, "LOCALAPPDATA"), "Palyra");
    case "darwin":
      return join(folderFrom(environment, "HOME"), "Library", "Application Support", "Palyra");
    default: {
      const stateHome = environmentText(environment, "XDG_STATE_HOME");
      // The XDG rules tell to ignore a relative path.
      if (stateHome !== undefined && isAbsolute(stateHome)) return join(stateHome, "palyra");
      return join(folderFrom(environment, "HOME"), ".local", "state", "palyra");
    }
  }
}

/** The state folder of one program: `palyrad` or `node-host` within the {@linkcode stateRoot}. */
export function stateFolder(program: ProgramFolder, sources: StateRootSources = {}): string {
  return join(stateRoot(sources), program);
}

function folderFrom(environment: EnvironmentReader, variable: string): string {
  const folder = environmentText(environment, variable);
  if (folder !== undefined) return folder;
  throw new PalyraError(
    "invalid_config",
    `The variable ${variable} is not set, so there is no usual place for state: name one with --state-root or ` +
      "PALYRA_STATE_ROOT.",
  );
}

/**
 * Makes a state folder ready for a program that writes: creates it (0700, parents too), takes group's and others' rights
 * away when it has any, and sees whether files can be made in it. Windows' own rights on the user's folders stand.
 *
 * @throws {PalyraError} `state_read_only` when nothing can be written there, `state_not_private` when others' rights
 * cannot be taken away, `invalid_config` when something else than a folder has its name, `permission_missing` when Deno
 * was not allowed to.
 */
export async function prepareStateFolder(folder: string): Promise<void> {
  try {
    await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists || error instanceof Deno.errors.NotADirectory) {
      throw new PalyraError(
        "invalid_config",
        `The state folder ${folder} cannot be made because a file is in its place: remove that file, or name another ` +
          "folder with --state-root.",
        { cause: error },
      );
    }
    throw stateWriteError(folder, error);
  }
  await makePrivate(folder);
  try {
    await Deno.remove(await Deno.makeTempFile({ dir: folder, prefix: ".writable-" }));
  } catch (error) {
    throw stateWriteError(folder, error);
  }
}

async function makePrivate(folder: string): Promise<void> {
  const { mode } = await Deno.stat(folder);
  // Windows tells no mode.
  if (mode === null || Deno.build.os === "windows" || (mode & 0o077) === 0) return;
  const found = (mode & 0o777).toString(8).padStart(4, "0");
  try {
    await Deno.chmod(folder, 0o700);
  } catch (error) {
    throw new PalyraError(
      "state_not_private",
      `The state folder ${folder} is open to other users (mode ${found}) and could not be closed: run chmod 700 on it ` +
        "as its owner, or name another folder with --state-root.",
      { cause: error },
    );
  }
  logger.warning("The state folder {folder} was open to other users (mode {mode}); it is closed now.", {
    folder,
    mode: found,
  });
}

/** A failure to write state, with its cure. What is neither a right nor a read-only disk is handed back as it is. */
export function stateWriteError(path: string, error: unknown): unknown {
  if (error instanceof Deno.errors.NotCapable) {
    return new PalyraError(
      "permission_missing",
      `The program may not use the state folder ${path}: start it with --allow-read=${path} and --allow-write=${path}.`,
      { cause: error },
    );
  }
  if (error instanceof Deno.errors.PermissionDenied || isReadOnlyFileSystem(error)) {
    return new PalyraError(
      "state_read_only",
      `Nothing can be written to ${path}: make it writable for the user that runs this program, or name another folder ` +
        "with --state-root.",
      { cause: error },
    );
  }
  return error;
}

function isReadOnlyFileSystem(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "EROFS";
}
