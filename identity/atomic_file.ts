import { basename, dirname, join } from "node:path";
import { stateError } from "./state_error.ts";
import type { UnixMs } from "./unix_ms.ts";

const OWNER_ONLY = 0o600;
// A name that no secret and no state file has: a dot before it, a UUID after it.
const TEMPORARY = /^\.[^/]+\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.tmp$/;

/** Temporaries older than this were left by a process that died, in milliseconds: one hour. */
export const STALE_TEMPORARY_MS = 3_600_000;

/**
 * Replaces a file as a whole: after a crash at any moment it holds the old content or the new, never a part. The new
 * one is written under another name in the same folder, readable by the owner only, and is on the disk (fsync of file
 * and folder) when this resolves. A failure
 * leaves no temporary behind.
 *
 * Rejects with `state_read_only` or `permission_missing`, or with the system's own error.
 */
export async function writeFileAtomically(path: string, bytes: Uint8Array): Promise<void> {
  const folder = dirname(path);
  const temporary = join(folder, `.${basename(path)}.${crypto.randomUUID()}.tmp`);
  try {
    await writeAndSync(temporary, bytes);
    try {
      await Deno.rename(temporary, path);
    } catch (error) {
      await removeIfThere(temporary);
      throw error;
    }
    await syncFolder(folder);
  } catch (error) {
    throw stateError(error, path);
  }
}

/** Makes removed and renamed entries of a folder durable. Does nothing on Windows, where folders cannot be synced. */
export async function syncFolder(folder: string): Promise<void> {
  if (Deno.build.os === "windows") return;
  using handle = await Deno.open(folder, { read: true });
  await handle.sync();
}

/** Removes what {@linkcode writeFileAtomically} left in `folder` when its process died more than an hour ago. */
export async function removeStaleTemporaries(folder: string, now: UnixMs): Promise<void> {
  await Promise.all(
    (await temporariesIn(folder)).map(async (path) => {
      try {
        const { mtime } = await Deno.lstat(path);
        if (mtime !== null && now - mtime.getTime() > STALE_TEMPORARY_MS) await removeIfThere(path);
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }
    }),
  );
}

/** Removes all that {@linkcode writeFileAtomically} left in `folder`, which nobody else may be using. */
export async function removeTemporaries(folder: string): Promise<void> {
  await Promise.all((await temporariesIn(folder)).map(removeIfThere));
}

async function temporariesIn(folder: string): Promise<string[]> {
  const names = await Array.fromAsync(Deno.readDir(folder), (entry) => entry.name);
  return names.filter((name) => TEMPORARY.test(name)).map((name) => join(folder, name));
}

async function writeAndSync(path: string, bytes: Uint8Array): Promise<void> {
  const file = await Deno.open(path, { write: true, createNew: true, mode: OWNER_ONLY });
  try {
    using handle = file;
    let written = 0;
    while (written < bytes.length) {
      // deno-lint-ignore no-await-in-loop -- each write begins where the last one ended
      written += await handle.write(bytes.subarray(written));
    }
    await handle.sync();
  } catch (error) {
    await removeIfThere(path);
    throw error;
  }
}

async function removeIfThere(path: string): Promise<void> {
  try {
    await Deno.remove(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
