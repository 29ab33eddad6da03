import type { PermissionNeed } from "./capability.ts";

/** Whether something can be used on this node, and if not, why and what would change that. */
export type Availability =
  | { readonly available: true }
  | { readonly available: false; readonly reason: string };

/**
 * Whether Deno grants what a capability requires (design section 6: Deno permissions are the gate). Only asks, never
 * prompts: `prompt` counts as not granted. The reason names every flag that is missing.
 */
export async function checkPermissions(
  capability: { readonly name: string; readonly permissions: readonly PermissionNeed[] },
): Promise<Availability> {
  const required = capability.permissions.filter((need) => need.required);
  const granted = await Promise.all(required.map((need) => isGranted(need.descriptor)));
  const missing = required.filter((_, at) => !granted[at]).map((need) => permissionFlag(need.descriptor));
  if (missing.length === 0) return { available: true };
  return {
    available: false,
    reason: `${capability.name} is not permitted on this node; start palyra-node with ${missing.join(" ")}.`,
  };
}

/** Whether a permission is granted in full. Never prompts. */
export async function isGranted(descriptor: Deno.PermissionDescriptor): Promise<boolean> {
  const status = await Deno.permissions.query(descriptor);
  return status.state === "granted";
}

/** The command-line flag that grants a permission: `--allow-run=/usr/bin/xdg-open`. */
export function permissionFlag(descriptor: Deno.PermissionDescriptor): string {
  const scope = scopeOf(descriptor);
  return scope === undefined ? `--allow-${descriptor.name}` : `--allow-${descriptor.name}=${scope}`;
}

function scopeOf(descriptor: Deno.PermissionDescriptor): string | undefined {
  switch (descriptor.name) {
    case "run":
      return descriptor.command?.toString();
    case "read":
    case "write":
    case "ffi":
      return descriptor.path?.toString();
    case "net":
    case "import":
      return descriptor.host;
    case "env":
      return descriptor.variable;
    case "sys":
      return descriptor.kind;
  }
}
