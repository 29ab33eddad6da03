import type { CanonicalUlid } from "../identity/device_id.ts";
import type { UnixMs } from "../identity/unix_ms.ts";
import { revokeCertificates } from "./certificate_ledger.ts";
import type { DeviceAct } from "./device_act.ts";
import { endCodesOf } from "./pairing_code_book.ts";
import { deviceOf, type PairingDecision, takesOver } from "./pairing_decision.ts";
import type { DeviceRecord } from "./store/device_record.ts";
import { rejectPairing } from "./pairing_rejection.ts";
import type { PairingRequestRecord } from "./store/pairing_record.ts";
import type { StoreTransaction } from "./store/store.ts";

/** Why a certificate or a request ended when its device paired anew. */
export const SUPERSEDED = "superseded by a newer pairing";

/** A device that was let in, and what that put an end to. */
export interface Admission {
  readonly device: DeviceRecord;
  /** The device id belonged to another key, whose certificates are revoked and whose pairing codes have ended now. */
  readonly tookOver: boolean;
  /** The device's other requests, which are rejected now. */
  readonly superseded: readonly CanonicalUlid[];
}

/**
 * Lets the device of an approved request in: the newest approval of a device id is the one that counts, so that what
 * was approved before it and never collected cannot be cashed in afterwards, by whatever key. Throws what
 * {@linkcode deviceOf} throws.
 */
export async function admit(
  tx: StoreTransaction,
  approved: PairingRequestRecord,
  decision: PairingDecision,
  existing: DeviceRecord | undefined,
  now: UnixMs,
): Promise<Admission> {
  const device = deviceOf(approved, decision, existing, now);
  const tookOver = takesOver(approved, existing);
  await tx.devices.put(device);
  await tx.events.append(device.deviceId, paired(device, tookOver), now);
  const actor = device.approvedBy;
  await tx.audit.append({
    kind: "pairing.approved",
    actor,
    subject: approved.requestId,
    details: {
      device_id: device.deviceId,
      identity_fingerprint: device.identityFingerprint,
      reason: approved.decisionReason ?? "",
      granted_capabilities: device.grantedCapabilities,
      replaced_key: tookOver,
    },
  }, now);
  if (tookOver) {
    await revokeCertificates(tx, device.deviceId, { at: now, reason: SUPERSEDED, actor });
    await endCodesOf(tx, device.deviceId);
  }
  const open = await tx.pairing.listOpenRequests(device.deviceId);
  const others = open.filter((request) => request.requestId !== approved.requestId);
  await Promise.all(others.map((request) => {
    const rejected = {
      ...request,
      state: "rejected",
      decidedAt: now,
      decidedBy: actor,
      decisionReason: SUPERSEDED,
    } as const;
    return rejectPairing(tx, rejected, actor, now);
  }));
  return { device, tookOver, superseded: others.map((request) => request.requestId) };
}

function paired(device: DeviceRecord, tookOver: boolean): DeviceAct {
  return {
    name: "device.paired",
    payload: {
      client_kind: device.clientKind,
      device_name: device.deviceName,
      approved_by: device.approvedBy,
      granted_capabilities: device.grantedCapabilities,
      replaced_key: tookOver,
    },
  };
}
