import { join } from "node:path";
import * as v from "valibot";
import type { DeviceId } from "../identity/device_id.ts";
import type { Fingerprint } from "../identity/fingerprint.ts";
import type { UnixMs } from "../identity/unix_ms.ts";
import { readStateDocument, removeStateDocument, writeStateDocument } from "./state_document.ts";
import { DeviceIdText, EndpointList, FingerprintText, Moment, SchemaVersion, ShownText } from "./state_fields.ts";

/** What a node host knows about itself and its daemon: `node-host.json`. It holds no secret. */
export interface NodeHostRecord {
  readonly deviceId: DeviceId;
  /** What people know the machine by. */
  readonly deviceName: string;
  /** Where sessions are opened, `host:port`, best first. */
  readonly nodeEndpoints: readonly string[];
  /** Where pairing took place, `host:port`, best first. */
  readonly enrolmentEndpoints: readonly string[];
  /** SHA-256 of the certificate of the daemon's CA: the one that pairing has proved, or that came in its place since. */
  readonly caFingerprint: Fingerprint;
  /** Undefined while the pairing waits for its approval. */
  readonly pairedAt: UnixMs | undefined;
  /** When this state folder came to be. */
  readonly installedAt: UnixMs;
}

const RecordSchema = v.object({
  schema_version: SchemaVersion,
  device_id: DeviceIdText,
  device_name: ShownText,
  node_endpoints: EndpointList,
  enrolment_endpoints: EndpointList,
  ca_fingerprint: FingerprintText,
  paired_at_unix_ms: v.nullable(Moment),
  installed_at_unix_ms: Moment,
});

/** The name of the record in a state folder. */
export const NODE_HOST_RECORD_FILE = "node-host.json";

function recordPath(folder: string): string {
  return join(folder, NODE_HOST_RECORD_FILE);
}

/** The record; undefined when the folder has none. Rejects with `state_damaged` or `schema_too_new`. */
export async function readNodeHostRecord(folder: string): Promise<NodeHostRecord | undefined> {
  const stored = await readStateDocument(recordPath(folder), RecordSchema);
  if (stored === undefined) return undefined;
  return {
    deviceId: stored.device_id,
    deviceName: stored.device_name,
    nodeEndpoints: stored.node_endpoints,
    enrolmentEndpoints: stored.enrolment_endpoints,
    caFingerprint: stored.ca_fingerprint,
    pairedAt: stored.paired_at_unix_ms ?? undefined,
    installedAt: stored.installed_at_unix_ms,
  };
}

/** Replaces the record. */
export async function writeNodeHostRecord(folder: string, record: NodeHostRecord): Promise<void> {
  await writeStateDocument(recordPath(folder), {
    device_id: record.deviceId,
    device_name: record.deviceName,
    node_endpoints: record.nodeEndpoints,
    enrolment_endpoints: record.enrolmentEndpoints,
    ca_fingerprint: record.caFingerprint,
    paired_at_unix_ms: record.pairedAt ?? null,
    installed_at_unix_ms: record.installedAt,
  });
}

/** Removes the record. */
export async function removeNodeHostRecord(folder: string): Promise<void> {
  await removeStateDocument(recordPath(folder));
}
