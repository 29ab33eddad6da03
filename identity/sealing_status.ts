import { join } from "node:path";
import { isSealed, sealedKeyId } from "./sealed_secret.ts";
import type { SealingKey } from "./sealing_key.ts";
import { markerKeyId, openMarker, readMarkerFile, SEALING_MARKER, type SealingState } from "./sealing_marker.ts";
import { isSecretName } from "./secret_store.ts";
import { stateError } from "./state_error.ts";

/** How the secrets of a folder lie there. */
export interface SealingStatus {
  /** `unknown`: nobody can tell without the key of the marker, or the marker of sealed secrets is gone. */
  readonly state: "plain" | "unknown" | SealingState;
  /** The key of the marker; undefined where there is none. */
  readonly keyId: string | undefined;
  /** While the key is changed: the one that follows. */
  readonly nextKeyId: string | undefined;
  /** Every secret's file, with the key that it names itself sealed with; undefined for a plain one. */
  readonly secrets: readonly { readonly name: string; readonly keyId: string | undefined }[];
  /** What else lies in the folder. It is never sealed. */
  readonly others: readonly string[];
}

/** Looks at a folder without changing it; what is sealed is not opened but for the marker. Rejects as `openMarker` does. */
export async function sealingStatus(folder: string, key: SealingKey | undefined): Promise<SealingStatus> {
  const content = await readMarkerFile(folder);
  const keyId = content && markerKeyId(folder, content);
  const marker = content === undefined || key === undefined || key.id !== keyId
    ? undefined
    : await openMarker(folder, content, key);
  const entries = await entriesOf(folder);
  const secrets = await Promise.all(
    entries.filter(({ name, isFile }) => isFile && isSecretName(name)).map(async ({ name }) => ({
      name,
      keyId: await keyIdOf(join(folder, name)),
    })),
  );
  const isPlain = content === undefined && secrets.every((secret) => secret.keyId === undefined);
  return {
    state: marker?.state ?? (isPlain ? "plain" : "unknown"),
    keyId,
    nextKeyId: marker?.nextKeyId,
    secrets,
    others: entries.filter(({ name, isFile }) => name !== SEALING_MARKER && !(isFile && isSecretName(name)))
      .map(({ name }) => name),
  };
}

async function entriesOf(folder: string): Promise<Deno.DirEntry[]> {
  try {
    return (await Array.fromAsync(Deno.readDir(folder))).sort((left, right) => left.name < right.name ? -1 : 1);
  } catch (error) {
    throw stateError(error, folder);
  }
}

async function keyIdOf(path: string): Promise<string | undefined> {
  try {
    const content = await Deno.readFile(path);
    return isSealed(content) ? sealedKeyId(content, path) : undefined;
  } catch (error) {
    throw stateError(error, path);
  }
}
