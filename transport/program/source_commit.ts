import { isAbsolute, join, resolve } from "node:path";

const HASH = /^[0-9a-f]{40}([0-9a-f]{24})?$/;
const MAX_LINKS = 5;

/**
 * The commit that a checkout stands at, from git's own files (gitrepository-layout(5)): no git is started. Undefined when
 * the folder is no checkout, or Deno may not look.
 *
 * @param folder the checkout's top folder.
 */
export function sourceCommit(folder: string): string | undefined {
  try {
    const gitFolder = gitFolderOf(folder);
    return commitOf("HEAD", gitFolder, commonFolderOf(gitFolder));
  } catch {
    return undefined;
  }
}

/** `.git`, or what the file of that name points to, as in a linked worktree. */
function gitFolderOf(folder: string): string {
  const path = join(folder, ".git");
  if (Deno.statSync(path).isDirectory) return path;
  const link = /^gitdir: (.+)$/m.exec(Deno.readTextFileSync(path))?.[1] ?? "";
  return resolve(folder, link);
}

/** Where branches lie: in the main worktree's `.git`. */
function commonFolderOf(gitFolder: string): string {
  const link = textOf(join(gitFolder, "commondir"))?.trim();
  if (link === undefined) return gitFolder;
  return isAbsolute(link) ? link : resolve(gitFolder, link);
}

function commitOf(head: string, gitFolder: string, commonFolder: string): string | undefined {
  let name = head;
  for (let links = 0; links < MAX_LINKS; links++) {
    const text = (textOf(join(gitFolder, name)) ?? textOf(join(commonFolder, name)))?.trim();
    if (text === undefined) return packedCommit(name, commonFolder);
    if (HASH.test(text)) return text;
    const next = /^ref: (refs\/[^\s]+)$/.exec(text)?.[1];
    if (next === undefined || next.includes("..")) return undefined;
    name = next;
  }
  return undefined;
}

function packedCommit(name: string, commonFolder: string): string | undefined {
  const line = textOf(join(commonFolder, "packed-refs"))?.split("\n").find((each) => each.endsWith(` ${name}`));
  const hash = line?.slice(0, -name.length - 1) ?? "";
  return HASH.test(hash) ? hash : undefined;
}

function textOf(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
