import type { AuditKind } from "./audit_act.ts";

/**
 * The acts that a restored backup must not undo in silence: somebody was shut out or let in, a right was given or taken, a
 * code was used up, a CA is not to be trusted any more. Each raises the generation of the state. What ends by itself or is
 * done again by the next session is not among them.
 */
const RAISING: ReadonlySet<AuditKind> = new Set<AuditKind>([
  "ca.retired",
  "ca.rotation_completed",
  "capabilities.decided",
  "certificate.revoked",
  "device.recovery_set",
  "device.removed",
  "device.revoked",
  "pairing.approved",
  "pairing.rejected",
  "pairing.requested",
  "pairing_code.locked",
  "pairing_code.replaced",
]);

/** Whether an act of this kind raises the generation. */
export function raisesGeneration(kind: AuditKind): boolean {
  return RAISING.has(kind);
}
