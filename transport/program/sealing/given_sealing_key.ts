import { join, resolve } from "node:path";
import { PalyraError } from "../../../identity/palyra_error.ts";
import { parseSealingKey, SealingKey, type SealingKeySource } from "../../../identity/sealing_key.ts";
import { type EnvironmentReader, environmentText } from "../environment.ts";

/** The sealing key itself, in hex or base64. It is taken out of the environment, so that no child inherits it. */
export const SEALING_KEY_VARIABLE = "PALYRA_SEALING_KEY";

/** The path of a file with the sealing key. */
export const SEALING_KEY_FILE_VARIABLE = "PALYRA_SEALING_KEY_FILE";

/** What the systemd credential with the sealing key is called, where it is not {@linkcode SEALING_CREDENTIAL}. */
export const SEALING_CREDENTIAL_VARIABLE = "PALYRA_SEALING_CREDENTIAL";

/** The usual name of the systemd credential: `LoadCredential=palyra-sealing-key:/etc/palyra/sealing-key`. */
export const SEALING_CREDENTIAL = "palyra-sealing-key";

const CREDENTIALS_DIRECTORY = "CREDENTIALS_DIRECTORY";

/** Larger than any form of a key. */
const MAX_KEY_FILE_BYTES = 4_096;

/** The owner's group may read the file, as a service's group does; nobody else may, and nobody else may write it. */
const FORBIDDEN_MODE = 0o027;

/** An environment from which variables can be taken. `Deno.env` is one. */
export interface MutableEnvironment extends EnvironmentReader {
  delete(name: string): void;
}

/**
 * Where this program gets its sealing key: the variable PALYRA_SEALING_KEY, else the file that PALYRA_SEALING_KEY_FILE
 * names, else the systemd credential `palyra-sealing-key` in $CREDENTIALS_DIRECTORY (systemd.exec(5), "Credentials"); else
 * there is none. The variable with the key is removed at once, files are read when the key is first needed.
 *
 * The source rejects with `invalid_config` when what was named is not there, is no key, or two were named, and with
 * `state_not_private` when others may read the file.
 */
export function takeSealingKey(environment: MutableEnvironment): SealingKeySource {
  const text = environmentText(environment, SEALING_KEY_VARIABLE);
  if (text !== undefined) environment.delete(SEALING_KEY_VARIABLE);
  let key: Promise<SealingKey | undefined> | undefined;
  return () => key ??= readKey(text, environment);
}

async function readKey(text: string | undefined, environment: EnvironmentReader): Promise<SealingKey | undefined> {
  const named = environmentText(environment, SEALING_KEY_FILE_VARIABLE);
  if (text !== undefined && named !== undefined) {
    throw new PalyraError(
      "invalid_config",
      `Both ${SEALING_KEY_VARIABLE} and ${SEALING_KEY_FILE_VARIABLE} are set; keep one of them.`,
    );
  }
  if (text !== undefined) return await keyFrom(new TextEncoder().encode(text.trim()), SEALING_KEY_VARIABLE);
  if (named !== undefined) return await readSealingKeyFile(named);
  return await readCredential(environment);
}

/**
 * Reads a file with a sealing key. Rejects with `invalid_config` when it is not there, cannot be read or holds none, and
 * with `state_not_private` when others may read it.
 */
export async function readSealingKeyFile(named: string): Promise<SealingKey> {
  const path = resolve(named);
  const content = await readBounded(path);
  if (content === undefined) {
    throw new PalyraError("invalid_config", `There is no file ${path} with a sealing key; correct the path.`);
  }
  const { mode } = await Deno.stat(path);
  if (mode !== null && Deno.build.os !== "windows" && (mode & FORBIDDEN_MODE) !== 0) {
    throw new PalyraError(
      "state_not_private",
      `Others may use the sealing key in ${path}. Run \`chmod 600 ${path}\`, and change the key if others may have seen it.`,
    );
  }
  return await keyFrom(content, path);
}

/** Its mode is systemd's to choose. */
async function readCredential(environment: EnvironmentReader): Promise<SealingKey | undefined> {
  const folder = textOrNone(environment, CREDENTIALS_DIRECTORY);
  const named = environmentText(environment, SEALING_CREDENTIAL_VARIABLE);
  const name = named ?? SEALING_CREDENTIAL;
  if (/[/\\]|^\.{0,2}$/.test(name)) {
    throw new PalyraError("invalid_config", `${SEALING_CREDENTIAL_VARIABLE} is the name of a credential, and no path.`);
  }
  const path = folder && join(folder, name);
  const content = path && await readBounded(path);
  if (path && content) return await keyFrom(content, path);
  if (named === undefined) return undefined;
  throw new PalyraError(
    "invalid_config",
    `There is no credential ${name}, which ${SEALING_CREDENTIAL_VARIABLE} names; add \`LoadCredential=${name}:FILE\` to the ` +
      "service, or unset the variable.",
  );
}

/** A program that may not ask for the variable is not run by systemd. */
function textOrNone(environment: EnvironmentReader, name: string): string | undefined {
  try {
    return environmentText(environment, name);
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) return undefined;
    throw error;
  }
}

async function readBounded(path: string): Promise<Uint8Array | undefined> {
  try {
    using file = await Deno.open(path);
    const buffer = new Uint8Array(MAX_KEY_FILE_BYTES);
    return buffer.subarray(0, await file.read(buffer) ?? 0);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw new PalyraError(
      "invalid_config",
      `The sealing key in ${path} cannot be read; let the user that runs this program read it.`,
      { cause: error },
    );
  }
}

async function keyFrom(content: Uint8Array, source: string): Promise<SealingKey> {
  const bytes = parseSealingKey(content);
  if (bytes !== undefined) return await SealingKey.of(bytes);
  throw new PalyraError(
    "invalid_config",
    `${source} holds no sealing key, which is 32 random bytes in base64 or hex. Make one with ` +
      "`head -c 32 /dev/urandom | base64`.",
  );
}
