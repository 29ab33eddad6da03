import { dirname } from "node:path";
import { type CapabilityRegistry, isGranted, permissionFlag } from "../capabilities/mod.ts";
import { isWithin } from "../capabilities/openable_path.ts";
import { type HostNeed, idlePermissions } from "./running_needs.ts";

/** Kinds of permission that are given up as a whole when nothing needs any of the kind. */
const DISPENSABLE_KINDS = ["run", "ffi", "sys", "import"] as const;

/** Kinds of which single grants are given up. Hosts and variables overlap in ways that Deno alone knows: they stay. */
const DIVISIBLE_KINDS: readonly Deno.PermissionDescriptor["name"][] = ["run", "sys", "read", "write"];

/** What {@linkcode giveUpPermissions} goes by. */
export interface GiveUpOptions {
  readonly registry: CapabilityRegistry;
  /** What the host itself needs. */
  readonly hostNeeds: readonly HostNeed[];
}

/**
 * Gives up, for the rest of the process, what Deno granted and nothing that is configured needs: all of a kind (`run`
 * when no capability that is not denied starts anything), and single grants that only denied capabilities or other verbs
 * would use. Resolves with what was granted before and is not any more.
 *
 * Deno takes back what was granted, not parts of it: of `--allow-run` without a list, one program cannot be given up.
 */
export async function giveUpPermissions({ registry, hostNeeds }: GiveUpOptions): Promise<Deno.PermissionDescriptor[]> {
  const needs = (denied: boolean) =>
    registry.entries.filter(({ rule }) => (rule === "deny") === denied)
      .flatMap(({ definition }) => definition.permissions.map(({ descriptor }) => descriptor));
  const inUse = [...hostNeeds.map(({ descriptor }) => descriptor), ...needs(false)];
  const kinds = DISPENSABLE_KINDS.filter((kind) => !inUse.some(({ name }) => name === kind))
    .map((name): Deno.PermissionDescriptor => ({ name }));
  const singles = [...needs(true), ...idlePermissions()].filter(({ name }) => DIVISIBLE_KINDS.includes(name));
  const expendable = await Promise.all(singles.map((descriptor) => isExpendable(descriptor, inUse)));
  const candidates = [...kinds, ...singles.filter((_, at) => expendable[at])];
  const before = await Promise.all(candidates.map(isGranted));
  for (const descriptor of candidates) {
    // deno-lint-ignore no-await-in-loop -- the one permission set of the process, changed step by step
    await Deno.permissions.revoke(descriptor);
  }
  const after = await Promise.all(candidates.map(isGranted));
  const givenUp = candidates.filter((_, at) => before[at] === true && after[at] === false);
  // The kind as a whole says it all.
  const wholeFlags = givenUp.filter((descriptor) => kinds.includes(descriptor)).map(permissionFlag);
  return givenUp.filter((descriptor) =>
    kinds.includes(descriptor) || !wholeFlags.includes(permissionFlag({ name: descriptor.name }))
  );
}

/** Whether giving this up takes away nothing that is in use. */
async function isExpendable(
  descriptor: Deno.PermissionDescriptor,
  inUse: readonly Deno.PermissionDescriptor[],
): Promise<boolean> {
  const ofKind = inUse.filter(({ name }) => name === descriptor.name);
  if (!isOfPath(descriptor)) return !ofKind.map(permissionFlag).includes(permissionFlag(descriptor));
  const path = String(descriptor.path);
  if (ofKind.filter(isOfPath).some((used) => isWithin(String(used.path), path))) return false;
  // Deno takes back the whole grant that covers a folder, and with it what else that grant was for.
  return !await isGranted({ ...descriptor, path: dirname(path) });
}

function isOfPath(
  descriptor: Deno.PermissionDescriptor,
): descriptor is Deno.ReadPermissionDescriptor | Deno.WritePermissionDescriptor {
  return descriptor.name === "read" || descriptor.name === "write";
}
