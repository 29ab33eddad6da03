import { join } from "node:path";
import { syncFolder, writeFileAtomically } from "./atomic_file.ts";
import { PalyraError } from "./palyra_error.ts";
import { isSealed, openSealedSecret, sealedKeyId, sealSecret } from "./sealed_secret.ts";
import type { SealingKey } from "./sealing_key.ts";
import { stateError } from "./state_error.ts";
import { type UnixMs, unixMs } from "./unix_ms.ts";

/** The file that says that a folder of secrets is sealed. It is itself sealed, so that nobody can make or change one. */
export const SEALING_MARKER = "sealing.json";

const MAX_MARKER_BYTES = 4_096;

const STATES = ["sealed", "sealing", "rekeying", "unsealing"] as const;

/** How far the sealing of a folder is. All but `sealed` is a change that goes on, or was interrupted. */
export type SealingState = (typeof STATES)[number];

/** What the marker says. */
export interface SealingMarker {
  readonly state: SealingState;
  readonly since: UnixMs;
  /** While it is `rekeying`: the key that follows. */
  readonly nextKeyId?: string;
}

/** The marker's sealed bytes; undefined for a folder without one. Rejects with `state_damaged` for what is no marker. */
export async function readMarkerFile(folder: string): Promise<Uint8Array | undefined> {
  const path = join(folder, SEALING_MARKER);
  try {
    const { isFile, size } = await Deno.lstat(path);
    if (!isFile || size > MAX_MARKER_BYTES) throw noMarker(path);
    const content = await Deno.readFile(path);
    if (!isSealed(content)) throw noMarker(path);
    return content;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return undefined;
    throw stateError(error, path);
  }
}

/** The id of the key that a folder's marker is sealed with. */
export function markerKeyId(folder: string, content: Uint8Array): string {
  return sealedKeyId(content, join(folder, SEALING_MARKER));
}

/** Opens a marker. Rejects with `sealing_key_wrong`, `schema_too_new` or `state_damaged`. */
export async function openMarker(folder: string, content: Uint8Array, key: SealingKey): Promise<SealingMarker> {
  const path = join(folder, SEALING_MARKER);
  const plain = await openSealedSecret(key, SEALING_MARKER, content, path);
  const marker = parseMarker(new TextDecoder().decode(plain));
  if (marker !== undefined) return marker;
  throw new PalyraError(
    "schema_too_new",
    `${path} was written by a newer version of this program; update the program.`,
  );
}

/** Only who has the key can have written it: what is not as expected is of another version. */
function parseMarker(text: string): SealingMarker | undefined {
  const { schema_version, state: word, since_unix_ms, next_key_id: nextKeyId }: Readonly<Record<string, unknown>> = JSON
    .parse(text);
  const state = STATES.find((known) => known === word);
  if (schema_version !== 1 || state === undefined || typeof since_unix_ms !== "number") return undefined;
  return { state, since: unixMs(since_unix_ms), ...(typeof nextKeyId === "string" && { nextKeyId }) };
}

/** Writes the marker; it is on the disk when this resolves. */
export async function writeMarker(folder: string, marker: SealingMarker, key: SealingKey): Promise<void> {
  const { state, since, nextKeyId } = marker;
  const text = JSON.stringify({ schema_version: 1, state, since_unix_ms: since, next_key_id: nextKeyId });
  const sealed = await sealSecret(key, SEALING_MARKER, new TextEncoder().encode(text));
  await writeFileAtomically(join(folder, SEALING_MARKER), sealed);
}

/** Removes the marker: from then on the folder is a plain one. */
export async function removeMarker(folder: string): Promise<void> {
  const path = join(folder, SEALING_MARKER);
  try {
    await Deno.remove(path);
    await syncFolder(folder);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw stateError(error, path);
  }
}

function noMarker(path: string): PalyraError {
  return new PalyraError(
    "state_damaged",
    `${path} is not what the program wrote there; restore the folder from a backup, and find out who can write there.`,
  );
}
