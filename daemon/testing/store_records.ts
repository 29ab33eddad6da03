import { type CanonicalUlid, newDeviceId, newUlid } from "../../identity/device_id.ts";
import { fingerprintOf } from "../../identity/fingerprint.ts";
import { type UnixMs, unixMs } from "../../identity/unix_ms.ts";
import type { CapabilityRequestRecord } from "../store/capability_request_record.ts";
import type { DeviceRecord } from "../store/device_record.ts";
import type { PairingCodeRecord, PairingRequestRecord } from "../store/pairing_record.ts";
import type { RegisteredNodeRecord } from "../store/registered_node_record.ts";

/** When everything in these tests happens. */
export const NOW: UnixMs = unixMs(1_790_000_000_000);

/** A paired node. */
export function aDevice(): DeviceRecord {
  const publicKey = crypto.getRandomValues(new Uint8Array(32));
  return {
    deviceId: newDeviceId(),
    clientKind: "node",
    status: "paired",
    deviceName: "laptop",
    platform: "linux-x86_64",
    publicKey,
    identityFingerprint: fingerprintOf(publicKey),
    grantedCapabilities: ["echo", "system.health"],
    deniedCapabilities: [],
    recoveryAllowed: true,
    recoveryCount: 0,
    pairedAt: NOW,
    approvedBy: "operator",
  };
}

/** A node of `device` that declares `echo`. */
export function aNode(device: DeviceRecord): RegisteredNodeRecord {
  return {
    deviceId: device.deviceId,
    platform: device.platform,
    deviceName: device.deviceName,
    softwareVersion: "0.1.0",
    capabilities: [{
      name: "echo",
      available: true,
      version: "1.0.0",
      inputSchemaJson: "{}",
      outputSchemaJson: "{}",
      idempotent: true,
      requiresLocalMediation: false,
      unavailableReason: "",
    }],
    registeredAt: NOW,
    lastSeenAt: NOW,
    epoch: 1,
  };
}

/** A request to `device` that waits. */
export function aRequest(
  device: DeviceRecord,
  changes: Partial<CapabilityRequestRecord> = {},
): CapabilityRequestRecord {
  return {
    requestId: newUlid(),
    deviceId: device.deviceId,
    capability: "echo",
    state: "queued",
    attempt: 0,
    epoch: 0,
    idempotent: true,
    inputJson: new TextEncoder().encode(`{"a":1}`),
    maxPayloadBytes: 65_536,
    priority: "normal",
    deadline: unixMs(NOW + 30_000),
    ttlEndsAt: unixMs(NOW + 30_000),
    requestedBy: "operator",
    createdAt: NOW,
    updatedAt: NOW,
    ...changes,
  };
}

/** A live QR code. */
export function aCode(changes: Partial<PairingCodeRecord> = {}): PairingCodeRecord {
  return {
    codeId: newUlid(),
    method: "qr",
    clientKind: "node",
    key: crypto.getRandomValues(new Uint8Array(32)),
    approve: false,
    issuedBy: "operator",
    createdAt: NOW,
    expiresAt: unixMs(NOW + 600_000),
    triesLeft: 5,
    state: "live",
    ...changes,
  };
}

/** A request of `device` to pair, which waits for a decision. */
export function aPairing(device: DeviceRecord, codeId: CanonicalUlid): PairingRequestRecord {
  return {
    requestId: newUlid(),
    codeId,
    deviceId: device.deviceId,
    clientKind: "node",
    method: "qr",
    state: "pending_approval",
    devicePublicKey: device.publicKey,
    identityFingerprint: device.identityFingerprint,
    csrDer: new Uint8Array([1, 2, 3]),
    transcriptHash: "00".repeat(32),
    platform: device.platform,
    deviceName: device.deviceName,
    requestedCapabilities: ["echo"],
    remoteAddress: "127.0.0.1:5000",
    requestedAt: NOW,
    expiresAt: unixMs(NOW + 600_000),
  };
}
