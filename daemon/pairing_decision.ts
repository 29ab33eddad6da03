import { PalyraError } from "../identity/palyra_error.ts";
import type { UnixMs } from "../identity/unix_ms.ts";
import { sameBytes } from "../identity/same_bytes.ts";
import { grantAtPairing } from "./capability_grant.ts";
import type { DeviceRecord } from "./store/device_record.ts";
import type { PairingRequestRecord } from "./store/pairing_record.ts";

/** Who decided what about a pairing request. */
export interface PairingDecision {
  readonly approve: boolean;
  readonly reason: string;
  readonly operator: string;
  /** Approve even though the device id belongs to another key. */
  readonly replace: boolean;
  /** What it may run, out of what it asks for; undefined: all of that, but what it was denied before. */
  readonly only?: readonly string[] | undefined;
  /** The code said so beforehand: nobody has seen what the device asks for. Default: false. */
  readonly inAdvance?: boolean;
}

/** The request as it stands at `now`: one whose time is over has expired, whatever the store says. */
export function atTime(request: PairingRequestRecord, now: UnixMs): PairingRequestRecord {
  return request.state === "pending_approval" && request.expiresAt <= now ? { ...request, state: "expired" } : request;
}

/** Whether approving would give a known device id to another key. */
export function takesOver(request: PairingRequestRecord, existing: DeviceRecord | undefined): boolean {
  return existing !== undefined && !sameBytes(existing.publicKey, request.devicePublicKey);
}

/**
 * The request after `decision`. Only a pending request can be decided, and only once: throws `pairing_decided`,
 * `pairing_expired`, `device_revoked` or `device_id_taken`.
 */
export function decide(
  stored: PairingRequestRecord,
  decision: PairingDecision,
  existing: DeviceRecord | undefined,
  now: UnixMs,
): PairingRequestRecord {
  const request = atTime(stored, now);
  if (request.state === "expired") {
    throw new PalyraError("pairing_expired", "This pairing request has expired. Let the device pair again.");
  }
  if (request.state !== "pending_approval") {
    throw new PalyraError("pairing_decided", `This pairing request is ${request.state} already; that is final.`);
  }
  if (decision.approve) {
    if (existing?.status === "revoked") {
      throw new PalyraError(
        "device_revoked",
        `The device was revoked. Forget it first: \`palyrad devices remove ${request.deviceId}\`.`,
      );
    }
    if (takesOver(request, existing) && !decision.replace) {
      throw new PalyraError(
        "device_id_taken",
        "This device id belongs to a device with another key. If that device is gone, approve with --replace.",
      );
    }
  }
  return {
    ...request,
    state: decision.approve ? "approved" : "rejected",
    decidedAt: now,
    decidedBy: decision.operator,
    decisionReason: decision.reason,
  };
}

/**
 * The device that an approved request makes. What an operator once said of it stands as long as it has the same key:
 * pairing again lifts no denial. Throws `invalid_argument` when the decision names what was not requested.
 */
export function deviceOf(
  request: PairingRequestRecord,
  { only, inAdvance = false }: PairingDecision,
  existing: DeviceRecord | undefined,
  now: UnixMs,
): DeviceRecord {
  const known = takesOver(request, existing) ? undefined : existing;
  const isOfSameKind = known?.clientKind === request.clientKind;
  const { grantedCapabilities, deniedCapabilities } = grantAtPairing({
    requested: request.requestedCapabilities,
    // To pair as another kind in between is no way to get rid of a denial.
    earlier: known === undefined || isOfSameKind
      ? known
      : { grantedCapabilities: [], deniedCapabilities: known.deniedCapabilities },
    only,
    inAdvance: inAdvance && isOfSameKind,
  });
  return {
    deviceId: request.deviceId,
    clientKind: request.clientKind,
    status: "paired",
    deviceName: request.deviceName,
    platform: request.platform,
    publicKey: request.devicePublicKey,
    identityFingerprint: request.identityFingerprint,
    grantedCapabilities,
    deniedCapabilities,
    recoveryAllowed: known?.recoveryAllowed ?? true,
    recoveryCount: known?.recoveryCount ?? 0,
    ...(known?.recoveryAlarm !== undefined && { recoveryAlarm: known.recoveryAlarm }),
    pairedAt: now,
    approvedBy: request.decidedBy ?? "",
  };
}

/** Nobody has made such a request, or its device was removed. */
export function pairingNotFound(): PalyraError {
  return new PalyraError("pairing_not_found", "There is no such pairing request. `palyrad pairing list` shows them.");
}
