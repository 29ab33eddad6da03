import { join, parse, relative } from "node:path";
import { isWithin } from "../openable_path.ts";
import type { OwnerPermission } from "./owner_permission.ts";

/** How many entries of a folder are looked at for links, before each run. */
const MAX_ENTRIES = 10_000;

/** What is to be read by whoever may read everything. */
const ROOT: string = parse(Deno.execPath()).root;

/** What capabilities of the owner's must stay away from, whatever is allowed; absolute paths. */
export interface ProtectedPlaces {
  /** Not to be read: where keys are. */
  readonly secret: readonly string[];
  /** Not to be written, nor the folders that they are in: what palyra-node does and may do is decided there. */
  readonly vital: readonly string[];
}

/** The places with the paths that they really have: behind a link, a place has two. */
export async function withRealPaths({ secret, vital }: ProtectedPlaces): Promise<ProtectedPlaces> {
  return { secret: await bothPaths(secret), vital: await bothPaths(vital) };
}

/**
 * The permissions that would open a protected place. Deno goes by the path as it is written and follows links from there,
 * so a path is looked at both ways. Denying such a place to somebody who may write around it would not do: whoever may
 * rename a folder moves what is denied in it out of the denial.
 */
export async function trespassing(
  permissions: readonly OwnerPermission[],
  places: ProtectedPlaces,
): Promise<readonly OwnerPermission[]> {
  const trespasses = await Promise.all(permissions.map(async ({ kind, scope }) => {
    const reachable = scope === undefined ? [] : await bothPaths([scope]);
    if (kind === "write") return reachable.some((path) => [...places.secret, ...places.vital].some(overlaps(path)));
    if (kind !== "read") return false;
    // Around a secret is where one may read, for there the denial holds; unless it cannot be written as a flag.
    return reachable.some((path) => places.secret.some((place) => isWithin(path, place))) ||
      places.secret.some((place) => place.includes(",") && covers(scope, reachable, place));
  }));
  return permissions.filter((_, at) => trespasses[at]);
}

/**
 * The flags of `deno run` that deny the secret places to somebody who may read around them: by their paths, and by those
 * that they have behind a link that is to be read or lies right in the folder that is (`/home` may be one). Links further
 * down are not looked for; whoever may read a folder may read where its links lead.
 */
export async function denialFlags(
  permissions: readonly OwnerPermission[],
  { secret }: ProtectedPlaces,
): Promise<string[]> {
  const scopes = permissions.flatMap(({ kind, scope = ROOT }) => kind === "read" ? scope : []);
  if (scopes.length === 0) return [];
  const links = (await Promise.all(scopes.map(linksOf))).flat();
  const behind = links.flatMap(({ path, real }) =>
    secret.flatMap((place) => {
      if (isWithin(place, real)) return join(path, relative(real, place));
      return isWithin(real, place) ? path : [];
    })
  );
  const denied = [...new Set([...secret, ...behind])].filter((place) => !place.includes(","));
  return denied.length === 0 ? [] : [`--deny-read=${denied.join(",")}`];
}

/** The folder itself and what lies in it, as far as those are links, with where they lead. */
async function linksOf(folder: string): Promise<readonly { readonly path: string; readonly real: string }[]> {
  const names: string[] = [];
  let left = MAX_ENTRIES;
  try {
    for await (const { name, isSymlink } of Deno.readDir(folder)) {
      if (isSymlink) names.push(name);
      if (--left === 0) break;
    }
  } catch {
    // No folder, or none that palyra-node may look into.
  }
  const paths = [folder, ...names.map((name) => join(folder, name))];
  const links = await Promise.all(paths.map(async (path) => ({ path, real: await realPath(path) })));
  return links.filter(({ path, real }) => path !== real);
}

function overlaps(path: string): (place: string) => boolean {
  return (place) => isWithin(path, place) || isWithin(place, path);
}

function covers(scope: string | undefined, reachable: readonly string[], place: string): boolean {
  return scope === undefined || reachable.some((path) => isWithin(place, path));
}

async function bothPaths(paths: readonly string[]): Promise<readonly string[]> {
  return [...new Set([...paths, ...await Promise.all(paths.map(realPath))])];
}

/** What is not there, or may not be looked at, has the path that is written. */
async function realPath(path: string): Promise<string> {
  return await Deno.realPath(path).catch(() => path);
}
