import { type CapabilityRegistry, isGranted, permissionFlag, type PermissionNeed } from "../capabilities/mod.ts";
import type { HostNeed } from "./running_needs.ts";

/** How palyra-node stands to a permission. */
export type PermissionState = "granted" | "given_up" | "missing";

/** Where a permission came from: the command line of Deno, or the list that was compiled in. */
export type PermissionSource = "flag" | "built_in";

/** One line of the table: a permission, who uses it, and whether it is there. */
export interface PermissionRow {
  /** `palyra-node`, a capability's name, or undefined when nothing uses it. */
  readonly usedBy: string | undefined;
  /** What palyra-node itself uses it for; empty for others. */
  readonly purpose: string;
  /** The flag that grants it. */
  readonly flag: string;
  /** Whether its user cannot do without. */
  readonly required: boolean;
  readonly state: PermissionState;
  /** Undefined for what is not there. */
  readonly source: PermissionSource | undefined;
}

/** What {@linkcode permissionTable} shows. */
export interface PermissionTableOptions {
  readonly registry: CapabilityRegistry;
  readonly hostNeeds: readonly HostNeed[];
  /** What this process has given up already. */
  readonly givenUp: readonly Deno.PermissionDescriptor[];
}

/** What is granted, by what, and who needs it: the host first, then each capability, then what nobody needs. */
export async function permissionTable(options: PermissionTableOptions): Promise<PermissionRow[]> {
  const { registry, hostNeeds, givenUp } = options;
  const givenUpFlags = new Set(givenUp.map(permissionFlag));
  const row = async (usedBy: string | undefined, purpose: string, need: PermissionNeed): Promise<PermissionRow> => {
    const flag = permissionFlag(need.descriptor);
    const isGivenUp = givenUpFlags.has(flag) || givenUpFlags.has(permissionFlag({ name: need.descriptor.name }));
    const granted = await isGranted(need.descriptor);
    return {
      usedBy,
      purpose,
      flag,
      required: need.required,
      state: granted ? "granted" : isGivenUp ? "given_up" : "missing",
      source: !granted ? undefined : Deno.build.standalone ? "built_in" : "flag",
    };
  };
  const used = registry.entries.flatMap(({ definition: { name, permissions } }) =>
    permissions.map((need) => ({ name, need }))
  );
  const usedFlags = [...hostNeeds, ...used.map(({ need }) => need)].map(({ descriptor }) => permissionFlag(descriptor));
  const unused = givenUp.filter((descriptor) => !usedFlags.includes(permissionFlag(descriptor)));
  return await Promise.all([
    ...hostNeeds.map((need) => row("palyra-node", need.purpose, need)),
    ...used.map(({ name, need }) => row(name, "", need)),
    ...unused.map((descriptor) => row(undefined, "", { descriptor, required: false })),
  ]);
}
