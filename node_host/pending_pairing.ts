import * as v from "valibot";
import type { CanonicalUlid, DeviceId } from "../identity/device_id.ts";
import type { Fingerprint } from "../identity/fingerprint.ts";
import type { UnixMs } from "../identity/unix_ms.ts";
import { encodeStateDocument, parseStateDocument } from "./state_document.ts";
import { DeviceIdText, EndpointList, FingerprintText, Moment, SchemaVersion, ShownText, Ulid } from "./state_fields.ts";

/** A pairing that the daemon has proven and stored, and that waits for its operator's decision. */
export interface PendingPairing {
  readonly sessionId: CanonicalUlid;
  readonly deviceId: DeviceId;
  readonly deviceName: string;
  /** SHA-256 of the CA that the handshake proved; each later connection is held to it. */
  readonly caFingerprint: Fingerprint;
  /** Where to ask how it stands, `host:port`, best first. */
  readonly enrolmentEndpoints: readonly string[];
  /** Where sessions will be opened, `host:port`, best first. */
  readonly nodeEndpoints: readonly string[];
  readonly requestedAt: UnixMs;
}

const PendingSchema = v.object({
  schema_version: SchemaVersion,
  session_id: Ulid,
  device_id: DeviceIdText,
  device_name: ShownText,
  ca_fingerprint: FingerprintText,
  enrolment_endpoints: EndpointList,
  node_endpoints: EndpointList,
  requested_at_unix_ms: Moment,
});

/** The bytes under which a pending pairing is stored. */
export function encodePendingPairing(pending: PendingPairing): Uint8Array {
  return encodeStateDocument({
    session_id: pending.sessionId,
    device_id: pending.deviceId,
    device_name: pending.deviceName,
    ca_fingerprint: pending.caFingerprint,
    enrolment_endpoints: pending.enrolmentEndpoints,
    node_endpoints: pending.nodeEndpoints,
    requested_at_unix_ms: pending.requestedAt,
  });
}

/** Reads what {@linkcode encodePendingPairing} wrote; throws `state_damaged` or `schema_too_new`. */
export function parsePendingPairing(bytes: Uint8Array, path: string): PendingPairing {
  const stored = parseStateDocument(bytes, path, PendingSchema);
  return {
    sessionId: stored.session_id as CanonicalUlid,
    deviceId: stored.device_id,
    deviceName: stored.device_name,
    caFingerprint: stored.ca_fingerprint,
    enrolmentEndpoints: stored.enrolment_endpoints,
    nodeEndpoints: stored.node_endpoints,
    requestedAt: stored.requested_at_unix_ms,
  };
}
