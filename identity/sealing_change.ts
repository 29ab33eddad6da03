import { join } from "node:path";
import { removeTemporaries, writeFileAtomically } from "./atomic_file.ts";
import { giveToFolderOwner } from "./folder_owner.ts";
import { PalyraError } from "./palyra_error.ts";
import { isSealed, openSealedSecret, sealedKeyId, sealSecret, wrongSealingKey } from "./sealed_secret.ts";
import type { SealingKey } from "./sealing_key.ts";
import {
  markerKeyId,
  openMarker,
  readMarkerFile,
  removeMarker,
  SEALING_MARKER,
  type SealingMarker,
  writeMarker,
} from "./sealing_marker.ts";
import { sealingUnfinished } from "./secret_sealing.ts";
import { secretNames } from "./secret_store.ts";
import { stateError } from "./state_error.ts";
import { type Clock, systemClock } from "./unix_ms.ts";

/** What a change of the sealing needs beside its keys. Nothing else may use the folder meanwhile: the caller has its lock. */
export interface SealingChangeOptions {
  readonly folder: string;
  readonly clock?: Clock;
  /** Called before each write, with the name of the file; what it throws ends the change there, as a crash would. */
  readonly onWrite?: (name: string) => void;
}

/** What a change has done. */
export interface SealingChange {
  /** The secrets in the folder. */
  readonly secrets: number;
  /** How many of them were written anew; fewer where an interrupted change went on, none where all was done before. */
  readonly changed: number;
}

/** A secret's file, as it was found. */
interface FoundSecret {
  readonly name: string;
  readonly isSealed: boolean;
  readonly content: Uint8Array;
}

/**
 * Seals every secret of a folder, one file after the other. The marker tells before the first that sealing has begun, and
 * after the last that it is done: until then programs refuse the folder, and the same call goes on. Also goes on from, or
 * turns back, an interrupted {@linkcode unsealSecrets}.
 *
 * A folder that is sealed is looked at only. Rejects with `secret_not_sealed` when a plain file lies in one,
 * `sealing_key_wrong`, `sealing_unfinished` while a change of the key is, or `state_damaged`; every file is looked at
 * before the first is written.
 */
export async function sealSecrets(key: SealingKey, options: SealingChangeOptions): Promise<SealingChange> {
  const { folder } = options;
  const marker = await markerOf(folder, key);
  if (marker?.state === "rekeying") throw sealingUnfinished(folder, "rekeying");
  const found = await findSecrets(folder);
  const plain = found.filter((secret) => !secret.isSealed);
  const mustBeSealed = marker?.state === "sealed" || (marker === undefined && found.some((secret) => secret.isSealed));
  if (mustBeSealed) requireNonePlain(folder, plain);
  await openAll(folder, found, [key]);
  if (marker?.state === "sealed") {
    await giveAll(folder, found);
    return { secrets: found.length, changed: 0 };
  }
  await removeTemporaries(folder);
  await mark("sealing", key, options);
  await eachInTurn(plain, async ({ name, content }) => {
    await write(name, await sealSecret(key, name, content), options);
  });
  await mark("sealed", key, options);
  await giveAll(folder, found);
  return { secrets: found.length, changed: plain.length };
}

/**
 * Seals every secret with another key, one file after the other. Until the last one is done each key opens a part, and
 * programs refuse the folder; the same call goes on. Rejects as {@linkcode sealSecrets} does, and with `secret_not_sealed`
 * for a folder that is not sealed.
 */
export async function resealSecrets(
  key: SealingKey,
  nextKey: SealingKey,
  options: SealingChangeOptions,
): Promise<SealingChange> {
  const { folder } = options;
  if (key.id === nextKey.id) {
    throw new PalyraError("invalid_argument", `The new sealing key is the one in use, ${key.id}. Make another one.`);
  }
  const content = await readMarkerFile(folder);
  if (content === undefined) throw notSealed(folder);
  const isDone = markerKeyId(folder, content) === nextKey.id;
  const marker = await openMarker(folder, content, isDone ? nextKey : key);
  const goesOn = marker.state === "rekeying" && marker.nextKeyId === nextKey.id;
  if (marker.state !== "sealed" && !goesOn) throw sealingUnfinished(folder, marker.state);
  const found = await findSecrets(folder);
  requireNonePlain(folder, found.filter((secret) => !secret.isSealed));
  const opened = await openAll(folder, found, isDone ? [nextKey] : goesOn ? [key, nextKey] : [key]);
  if (isDone) {
    await giveAll(folder, found);
    return { secrets: found.length, changed: 0 };
  }
  await removeTemporaries(folder);
  if (!goesOn) await mark("rekeying", key, options, nextKey.id);
  const left = opened.filter(({ keyId }) => keyId === key.id);
  await eachInTurn(left, async ({ name, secret }) => {
    await write(name, await sealSecret(nextKey, name, secret), options);
  });
  await mark("sealed", nextKey, options);
  await giveAll(folder, found);
  return { secrets: found.length, changed: left.length };
}

/**
 * Writes every secret back in plain, one file after the other, and removes the marker last. Also turns an interrupted
 * {@linkcode sealSecrets} back. A folder that is plain is left as it is. Rejects as {@linkcode sealSecrets} does.
 */
export async function unsealSecrets(key: SealingKey, options: SealingChangeOptions): Promise<SealingChange> {
  const { folder } = options;
  const marker = await markerOf(folder, key);
  if (marker?.state === "rekeying") throw sealingUnfinished(folder, "rekeying");
  const found = await findSecrets(folder);
  if (marker?.state === "sealed") requireNonePlain(folder, found.filter((secret) => !secret.isSealed));
  const opened = await openAll(folder, found, [key]);
  if (marker === undefined && opened.length === 0) return { secrets: found.length, changed: 0 };
  await removeTemporaries(folder);
  if (marker?.state !== "unsealing") await mark("unsealing", key, options);
  await eachInTurn(opened, async ({ name, secret }) => {
    await write(name, secret, options);
  });
  await giveAll(folder, found);
  options.onWrite?.(SEALING_MARKER);
  await removeMarker(folder);
  return { secrets: found.length, changed: opened.length };
}

async function markerOf(folder: string, key: SealingKey): Promise<SealingMarker | undefined> {
  const content = await readMarkerFile(folder);
  return content && await openMarker(folder, content, key);
}

async function findSecrets(folder: string): Promise<FoundSecret[]> {
  const names = await secretNames(folder);
  return await Promise.all(names.map(async (name) => {
    const path = join(folder, name);
    try {
      const content = await Deno.readFile(path);
      return { name, content, isSealed: isSealed(content) };
    } catch (error) {
      throw stateError(error, path);
    }
  }));
}

/** Opens what is sealed with one of the keys; what is plain is passed over. */
async function openAll(folder: string, found: readonly FoundSecret[], keys: readonly SealingKey[]) {
  return await Promise.all(
    found.filter((secret) => secret.isSealed).map(async ({ name, content }) => {
      const path = join(folder, name);
      const keyId = sealedKeyId(content, path);
      const [first] = keys;
      const key = keys.find(({ id }) => id === keyId) ?? first;
      if (key === undefined) throw new TypeError("at least one key is needed");
      if (key.id !== keyId) throw wrongSealingKey(path, keyId, key);
      return { name, keyId, secret: await openSealedSecret(key, name, content, path) };
    }),
  );
}

function requireNonePlain(folder: string, plain: readonly FoundSecret[]): void {
  const [first] = plain;
  if (first === undefined) return;
  throw new PalyraError(
    "secret_not_sealed",
    `${
      join(folder, first.name)
    } is not sealed, in a folder whose secrets are. Somebody has put it there: restore it from ` +
      "a backup, and find out who can write there.",
  );
}

function notSealed(folder: string): PalyraError {
  return new PalyraError(
    "secret_not_sealed",
    `The secrets in ${folder} are not sealed. Seal them with \`secrets seal\`.`,
  );
}

async function mark(
  state: SealingMarker["state"],
  key: SealingKey,
  { folder, clock = systemClock, onWrite }: SealingChangeOptions,
  nextKeyId?: string,
): Promise<void> {
  onWrite?.(SEALING_MARKER);
  await writeMarker(folder, { state, since: clock(), ...(nextKeyId !== undefined && { nextKeyId }) }, key);
}

async function write(name: string, content: Uint8Array, { folder, onWrite }: SealingChangeOptions): Promise<void> {
  onWrite?.(name);
  await writeFileAtomically(join(folder, name), content);
}

/** Who has to be root to read the key is, and the service need not be. */
async function giveAll(folder: string, found: readonly FoundSecret[]): Promise<void> {
  await giveToFolderOwner(folder, [...found.map(({ name }) => name), SEALING_MARKER]);
}

async function eachInTurn<Item>(items: readonly Item[], act: (item: Item) => Promise<void>): Promise<void> {
  // deno-lint-ignore no-await-in-loop -- a crash must leave at most one file in doubt
  for (const item of items) await act(item);
}
