import { join, parse, relative } from "node:path";
import { PalyraError } from "../../../identity/palyra_error.ts";
import { isWithin } from "../openable_path.ts";
import type { OwnerPermission } from "./owner_permission.ts";
import { type Link, reachableLinks, realPath } from "./reachable_links.ts";

/** How many entries of folders are looked at for links, before each run. */
const MAX_ENTRIES = 10_000;

/** How many paths are denied; they stand on a command line. */
const MAX_DENIED_PATHS = 500;

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
      places.secret.some((place) => !isDeniable(place) && covers(scope, reachable, place));
  }));
  return permissions.filter((_, at) => trespasses[at]);
}

/**
 * The flags of `deno run` that deny the secret places to somebody who may read around them: by their paths, and by those
 * that they have behind the links that are found where one may read (`/home` may be one). Of what is there,
 * {@linkcode MAX_ENTRIES} are looked at, the upper ones first; whoever may read a folder may read where its other links
 * lead.
 *
 * Rejects with `capability_unavailable` when such a path cannot be denied.
 */
export async function denialFlags(
  permissions: readonly OwnerPermission[],
  { secret }: ProtectedPlaces,
): Promise<string[]> {
  const scopes = permissions.flatMap(({ kind, scope = ROOT }) => kind === "read" ? scope : []);
  if (scopes.length === 0) return [];
  const denied = pathsTo(secret.filter(isDeniable), await reachableLinks(scopes, MAX_ENTRIES));
  return denied.length === 0 ? [] : [`--deny-read=${denied.join(",")}`];
}

/** Every path by which a link leads to one of the places, or into it, beside the places themselves. */
function pathsTo(places: readonly string[], links: readonly Link[]): string[] {
  const paths = new Set(places);
  // What is added while this goes on is gone through as well: links lead to links.
  for (const place of paths) {
    for (const { path, real } of links) {
      if (isWithin(place, real)) {
        // A link that leads back to where it lies has no end of paths behind it.
        paths.add(isWithin(path, real) ? path : join(path, relative(real, place)));
      } else if (isWithin(real, place)) {
        paths.add(path);
      }
    }
    // Two links that lead to each other have no end of paths, either.
    if (paths.size > MAX_DENIED_PATHS || !isDeniable(place)) throw undeniable();
  }
  return [...paths];
}

/** Deno splits lists of paths at commas. */
function isDeniable(path: string): boolean {
  return !path.includes(",");
}

function undeniable(): PalyraError {
  return new PalyraError(
    "capability_unavailable",
    "Where the capability may read, links lead to palyra-node's state by more paths than can be denied, or by one with a " +
      "comma; have it ask for less, or remove the links.",
  );
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
