import { CAPABILITY_NAME, MAX_CAPABILITY_NAME_CHARACTERS } from "../identity/capability_name.ts";
import { PalyraError } from "../identity/palyra_error.ts";
import type { DeviceRecord } from "./store/device_record.ts";
import type { DeclaredCapability } from "./store/registered_node_record.ts";

/** Names of capabilities that one device may have granted, and as many denied. */
export const MAX_GRANTED_NAMES = 256;

/** What a device may run, as far as it is the operator's to say. */
export type CapabilityGrant = Pick<DeviceRecord, "grantedCapabilities" | "deniedCapabilities">;

/** An operator's word on some capabilities of a device. */
export interface GrantChange {
  /** Denied no more. */
  readonly grant: readonly string[];
  /** Granted no more. */
  readonly deny: readonly string[];
}

/** How a pairing was approved, as far as capabilities are concerned. */
export interface GrantedAtPairing {
  readonly requested: readonly string[];
  /** What holds for the device already: it has the same key. */
  readonly earlier: CapabilityGrant | undefined;
  /** The operator named these; undefined when it named none. */
  readonly only: readonly string[] | undefined;
  /** The code said so beforehand: nobody has seen what the device asks for. */
  readonly inAdvance: boolean;
}

/** Whether the operator lets the device run it: granted, and not denied. */
export function isGranted(grant: CapabilityGrant, capability: string): boolean {
  return grant.grantedCapabilities.includes(capability) && !grant.deniedCapabilities.includes(capability);
}

/** Why the operator does not let the device run it, with the cure; undefined when it does. Deny wins. */
export function grantRefusal(device: DeviceRecord, capability: string): PalyraError | undefined {
  const cure = `\`palyrad devices grant ${device.deviceId} ${capability}\``;
  if (device.deniedCapabilities.includes(capability)) {
    return new PalyraError(
      "capability_denied",
      `The operator has denied this capability to the node; ${cure} allows it.`,
    );
  }
  if (!device.grantedCapabilities.includes(capability)) {
    return new PalyraError(
      "capability_not_granted",
      `The node offers this capability, but no operator has granted it; ${cure} does.`,
    );
  }
  return undefined;
}

/** What the node offers and nobody has decided about, in the order of its declaration. */
export function pendingCapabilities(grant: CapabilityGrant, declared: readonly DeclaredCapability[]): string[] {
  const isDecided = (name: string) =>
    grant.grantedCapabilities.includes(name) || grant.deniedCapabilities.includes(name);
  return declared.filter(({ name, available }) => available && !isDecided(name)).map(({ name }) => name);
}

/**
 * The grant that an approval fixes: what was requested and approved. A device that is known already keeps what it was
 * denied unless the operator names it now, and one that pairs by a code that was approved in advance gets nothing that it
 * had not: pairing again is no way to more. Throws `invalid_argument` for a name that was not requested.
 */
export function grantAtPairing({ requested, earlier, only, inAdvance }: GrantedAtPairing): CapabilityGrant {
  const denied = earlier?.deniedCapabilities ?? [];
  if (only !== undefined) {
    const strange = only.find((name) => !requested.includes(name));
    if (strange !== undefined) throw notRequested(strange, requested);
    return {
      grantedCapabilities: requested.filter((name) => only.includes(name)),
      deniedCapabilities: denied.filter((name) => !only.includes(name)),
    };
  }
  if (inAdvance && earlier !== undefined) return earlier;
  return { grantedCapabilities: requested.filter((name) => !denied.includes(name)), deniedCapabilities: denied };
}

/** The grant after an operator's word. Throws `invalid_argument`. */
export function changedGrant(before: CapabilityGrant, { grant, deny }: GrantChange): CapabilityGrant {
  for (const name of [...grant, ...deny]) requireName(name);
  if (grant.length + deny.length === 0) {
    throw new PalyraError("invalid_argument", "Name at least one capability to grant or to deny.");
  }
  const both = grant.find((name) => deny.includes(name));
  if (both !== undefined) {
    throw new PalyraError("invalid_argument", `${both} cannot be granted and denied at once; name it on one side.`);
  }
  const after: CapabilityGrant = {
    grantedCapabilities: joined(before.grantedCapabilities, grant, deny),
    deniedCapabilities: joined(before.deniedCapabilities, deny, grant),
  };
  if (Math.max(after.grantedCapabilities.length, after.deniedCapabilities.length) > MAX_GRANTED_NAMES) {
    throw new PalyraError("invalid_argument", `A device has at most ${MAX_GRANTED_NAMES} names granted or denied.`);
  }
  return after;
}

function joined(names: readonly string[], more: readonly string[], less: readonly string[]): string[] {
  return [...new Set([...names, ...more])].filter((name) => !less.includes(name));
}

function requireName(name: string): void {
  if (name.length <= MAX_CAPABILITY_NAME_CHARACTERS && CAPABILITY_NAME.test(name)) return;
  throw new PalyraError("invalid_argument", "A capability's name looks like `system.health`, in lower case.");
}

function notRequested(name: string, requested: readonly string[]): PalyraError {
  requireName(name);
  const asked = requested.length === 0 ? "It asks for none." : `It asks for: ${requested.join(", ")}.`;
  return new PalyraError("invalid_argument", `The device does not ask for ${name}. ${asked}`);
}
