import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";

/**
 * Gives files in a folder to who owns the folder, where somebody else (root, by `sudo`) has written them: else the service
 * that runs as the owner could not read its own files any more. What is not there, is a link, or has a second name is left
 * alone, so that nobody has another's file given to them. Does nothing on Windows.
 */
export async function giveToFolderOwner(folder: string, names: readonly string[]): Promise<void> {
  if (Deno.build.os === "windows") return;
  const { uid, gid } = await Deno.stat(folder);
  if (uid === null || gid === null) return;
  await Promise.all(names.map((name) => give(join(folder, name), uid, gid)));
}

/** By the open file, as the path may mean another one a moment later. */
async function give(path: string, uid: number, gid: number): Promise<void> {
  const written = await Deno.lstat(path).catch(() => undefined);
  if (written === undefined || !written.isFile || written.uid === uid) return;
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    if ((await file.stat()).nlink === 1) await file.chown(uid, gid);
  } finally {
    await file.close();
  }
}
