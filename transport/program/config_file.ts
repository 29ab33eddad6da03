import { join, resolve } from "node:path";
import { PalyraError } from "../../identity/palyra_error.ts";
import { type EnvironmentReader, environmentText } from "./environment.ts";

/** The name of the configuration file in a program's state folder. */
export const CONFIG_FILE_NAME = "palyra.toml";

/** The largest configuration file that is read, in bytes. */
export const MAX_CONFIG_FILE_BYTES: number = 256 * 1024;

/** The text of a configuration file and the path that messages name. */
export interface ConfigFile {
  readonly path: string;
  readonly text: string;
}

/** Where a configuration file is looked for. */
export interface ConfigFileLocation {
  readonly path: string;
  /** Whether somebody named it, so that its absence is an error. */
  readonly required: boolean;
}

/** `--config`, else `PALYRA_CONFIG`, else `palyra.toml` in the program's state folder, which may be absent. */
export function locateConfigFile(options: {
  readonly flag?: string | undefined;
  readonly environment: EnvironmentReader;
  readonly stateFolder: string;
}): ConfigFileLocation {
  const named = options.flag ?? environmentText(options.environment, "PALYRA_CONFIG");
  if (named !== undefined) return { path: resolve(named), required: true };
  return { path: join(options.stateFolder, CONFIG_FILE_NAME), required: false };
}

/**
 * Reads a configuration file; undefined when it is absent and not required.
 *
 * @throws {PalyraError} `invalid_config` when it is required and absent, cannot be read, is not UTF-8 or is larger than
 * {@linkcode MAX_CONFIG_FILE_BYTES}; `permission_missing` when the program may not read there.
 */
export async function readConfigFile(location: ConfigFileLocation): Promise<ConfigFile | undefined> {
  const { path } = location;
  const bytes = await readBounded(path).catch((error: unknown) => {
    if (error instanceof Deno.errors.NotFound) {
      if (!location.required) return undefined;
      throw invalid(`The configuration file ${path} does not exist: create it or correct the path.`, error);
    }
    if (error instanceof Deno.errors.NotCapable) {
      throw new PalyraError(
        "permission_missing",
        `The program may not read the configuration file ${path}: start it with --allow-read=${path}.`,
        { cause: error },
      );
    }
    throw invalid(`The configuration file ${path} cannot be read: check its permissions and that it is a file.`, error);
  });
  if (bytes === undefined) return undefined;
  if (bytes.length > MAX_CONFIG_FILE_BYTES) {
    throw invalid(
      `The configuration file ${path} is larger than ${MAX_CONFIG_FILE_BYTES} bytes: is it the right file?`,
    );
  }
  try {
    return { path, text: new TextDecoder("utf-8", { fatal: true }).decode(bytes) };
  } catch (error) {
    throw invalid(`The configuration file ${path} is not UTF-8 text: save it as UTF-8.`, error);
  }
}

/** At most one byte more than the bound: enough to see that the file is too large. */
async function readBounded(path: string): Promise<Uint8Array> {
  using file = await Deno.open(path);
  const bytes = new Uint8Array(MAX_CONFIG_FILE_BYTES + 1);
  let length = 0;
  while (length < bytes.length) {
    // deno-lint-ignore no-await-in-loop -- each read goes on where the one before ended
    const read = await file.read(bytes.subarray(length));
    if (read === null) break;
    length += read;
  }
  return bytes.subarray(0, length);
}

function invalid(message: string, cause?: unknown): PalyraError {
  return new PalyraError("invalid_config", message, { cause });
}
