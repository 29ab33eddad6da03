import { createHash } from "node:crypto";
import { join } from "node:path";

/** Everything below a folder, for tests: each path with its mode, the time of its last change, and a digest of a file. */
export async function folderSnapshot(folder: string): Promise<string[]> {
  const lines: string[] = [];
  await collect(folder, lines);
  return lines.sort();
}

async function collect(path: string, into: string[]): Promise<void> {
  const { isDirectory, isFile, mode, mtime } = await Deno.lstat(path);
  const digest = isFile ? createHash("sha256").update(await Deno.readFile(path)).digest("hex") : "";
  into.push(`${path} ${(mode ?? 0).toString(8)} ${mtime?.getTime()} ${digest}`);
  if (!isDirectory) return;
  const names = await Array.fromAsync(Deno.readDir(path), ({ name }) => name);
  await Promise.all(names.map((name) => collect(join(path, name), into)));
}
