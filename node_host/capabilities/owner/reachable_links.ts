import { join } from "node:path";

/** What Deno lets nobody read who may not do everything; no link in there is of any use, and there are many. */
const OUT_OF_REACH: readonly string[] = Deno.build.os === "windows" ? [] : ["/dev", "/proc", "/sys"];

/** A link, and where it leads at last. */
export interface Link {
  readonly path: string;
  readonly real: string;
}

/**
 * The links in the folders, in those below them, and in those that links lead to, as well as the folders themselves where
 * they are links: all of them when there are no more than `maxEntries` entries to look at, else those further up. What may
 * not be looked into holds none.
 */
export async function reachableLinks(folders: readonly string[], maxEntries: number): Promise<readonly Link[]> {
  const links: Link[] = [];
  // By their real paths, so that each is looked into once; what is added while this goes on is gone through as well.
  const reached = new Set<string>();
  const follow = async (path: string) => {
    const real = await realPath(path);
    if (real !== path) links.push({ path, real });
    reached.add(real);
  };
  await Promise.all(folders.map(follow));
  let left = maxEntries;
  for (const folder of reached) {
    if (left === 0) break;
    if (OUT_OF_REACH.includes(folder)) continue;
    // deno-lint-ignore no-await-in-loop -- the upper ones first
    const found = await entriesOf(folder, left);
    left -= found.count;
    for (const name of found.folders) reached.add(join(folder, name));
    // deno-lint-ignore no-await-in-loop -- the upper ones first
    await Promise.all(found.links.map((name) => follow(join(folder, name))));
  }
  return links;
}

/** Of what is not there, or may not be looked at, the path as it is written. */
export async function realPath(path: string): Promise<string> {
  return await Deno.realPath(path).catch(() => path);
}

interface Entries {
  readonly count: number;
  readonly folders: readonly string[];
  readonly links: readonly string[];
}

/** The first `most` entries of a folder. */
async function entriesOf(folder: string, most: number): Promise<Entries> {
  const folders: string[] = [];
  const links: string[] = [];
  let count = 0;
  try {
    for await (const { name, isDirectory, isSymlink } of Deno.readDir(folder)) {
      if (isDirectory) folders.push(name);
      if (isSymlink) links.push(name);
      if (++count === most) break;
    }
  } catch {
    // No folder, or none that palyra-node may look into.
  }
  return { count, folders, links };
}
