import { shortFingerprint } from "../identity/fingerprint.ts";
import type {
  CertificateView,
  DeviceView,
  NodeCapabilityView,
  NodeView,
  PairingCodeView,
  PairingRequestView,
  RequestView,
} from "../proto/gen/admin.ts";
import { isGranted } from "./capability_grant.ts";
import type { CapabilityQueue } from "./capability_queue.ts";
import type { DeviceRegistry } from "./device_registry.ts";
import type { NodeRuntimeState } from "./node_runtime_state.ts";
import { takesOver } from "./pairing_decision.ts";
import type { CodeWithTries } from "./pairing_desk.ts";
import type { CapabilityRequestRecord } from "./store/capability_request_record.ts";
import type { DeviceRecord } from "./store/device_record.ts";
import type { PairingRequestRecord } from "./store/pairing_record.ts";
import type { RegisteredNodeRecord } from "./store/registered_node_record.ts";

/** The most of a text from a caller or a node that a summary or list shows, in characters. */
const SUMMARY_CHARACTERS = 240;

/** Certificates of one device that a list shows. */
const LISTED_CERTIFICATES = 8;

const utf8 = new TextDecoder();

/** A code as an operator sees it: never with anything that could prove it. */
export function pairingCodeView({ code, failedTries }: CodeWithTries): PairingCodeView {
  return {
    codeId: code.codeId,
    method: code.method,
    clientKind: code.clientKind,
    issuedBy: code.issuedBy,
    createdAtUnixMs: code.createdAt,
    expiresAtUnixMs: code.expiresAt,
    approve: code.approve,
    triesLeft: code.triesLeft,
    failedTries: failedTries.map(({ at, remoteAddress, deviceId, reason }) => ({
      atUnixMs: at,
      remoteAddress,
      deviceId,
      reason,
    })),
    state: code.state,
  };
}

/** A pairing request as an operator sees it. */
export function pairingRequestView(request: PairingRequestRecord, devices: DeviceRegistry): PairingRequestView {
  const device = devices.get(request.deviceId);
  const isLetIn = (request.state === "approved" || request.state === "completed") && !takesOver(request, device);
  return {
    requestId: request.requestId,
    deviceId: request.deviceId,
    clientKind: request.clientKind,
    method: request.method,
    state: request.state,
    platform: request.platform,
    deviceName: request.deviceName,
    requestedCapabilities: [...request.requestedCapabilities],
    identityFingerprint: request.identityFingerprint,
    shortFingerprint: shortFingerprint(request.identityFingerprint),
    requestedAtUnixMs: request.requestedAt,
    expiresAtUnixMs: request.expiresAt,
    decidedBy: request.decidedBy ?? "",
    decisionReason: request.decisionReason ?? "",
    remoteAddress: request.remoteAddress,
    replacesDevice: takesOver(request, device),
    grantedCapabilities: isLetIn ? [...device?.grantedCapabilities ?? []] : [],
  };
}

/** A device with its certificates. */
export function deviceView(device: DeviceRecord, devices: DeviceRegistry, runtime: NodeRuntimeState): DeviceView {
  const certificates = devices.certificatesOf(device.deviceId).map((certificate): CertificateView => ({
    fingerprint: certificate.fingerprint,
    issuedAtUnixMs: certificate.issuedAt,
    expiresAtUnixMs: certificate.expiresAt,
    revoked: certificate.revokedAt !== undefined,
    revokedReason: certificate.revokedReason ?? "",
    caFingerprint: certificate.caFingerprint,
  }));
  return {
    deviceId: device.deviceId,
    clientKind: device.clientKind,
    status: device.status,
    deviceName: device.deviceName,
    platform: device.platform,
    identityFingerprint: device.identityFingerprint,
    certificates,
    grantedCapabilities: [...device.grantedCapabilities],
    pairedAtUnixMs: device.pairedAt,
    approvedBy: device.approvedBy,
    revokedAtUnixMs: device.revokedAt ?? 0,
    revokedReason: device.revokedReason ?? "",
    connected: runtime.connection(device.deviceId) !== undefined,
    pendingCapabilities: runtime.pending(device.deviceId),
    deniedCapabilities: [...device.deniedCapabilities],
    recoveryAllowed: device.recoveryAllowed,
    recoveryCount: device.recoveryCount,
    recoveries: [],
    recoveryAlarm: device.recoveryAlarm ?? "",
    rotationPending: device.rotationAskedAt !== undefined,
  };
}

/** A device as a list shows it: with its newest certificates only. */
export function listedDeviceView(device: DeviceRecord, devices: DeviceRegistry, runtime: NodeRuntimeState): DeviceView {
  const view = deviceView(device, devices, runtime);
  return { ...view, certificates: view.certificates.slice(-LISTED_CERTIFICATES) };
}

/** Where {@linkcode nodeView} finds what it shows. */
export interface NodeViewSources {
  readonly devices: DeviceRegistry;
  readonly runtime: NodeRuntimeState;
  readonly queue: CapabilityQueue;
}

/** A node with its presence and its capabilities, under the name that was approved. */
export function nodeView(node: RegisteredNodeRecord, { devices, runtime, queue }: NodeViewSources): NodeView {
  const connection = runtime.connection(node.deviceId);
  const { queued, inFlight } = queue.countsOf(node.deviceId);
  const device = devices.get(node.deviceId);
  const deviceName = device?.deviceName ?? "";
  return {
    deviceId: node.deviceId,
    deviceName,
    reportedName: node.deviceName === deviceName ? "" : node.deviceName,
    platform: node.platform,
    softwareVersion: node.softwareVersion,
    connected: connection !== undefined,
    transport: connection?.session.transport ?? "",
    remoteAddress: connection?.session.remoteAddress ?? "",
    epoch: node.epoch,
    connectedAtUnixMs: connection?.connectedAt ?? 0,
    lastSeenAtUnixMs: connection?.lastHeardAt ?? node.lastSeenAt,
    registeredAtUnixMs: node.registeredAt,
    capabilities: node.capabilities.map((capability): NodeCapabilityView => ({
      ...capability,
      granted: device !== undefined && isGranted(device, capability.name),
      denied: device?.deniedCapabilities.includes(capability.name) ?? false,
    })),
    queued,
    inFlight,
    draining: connection?.draining ?? false,
  };
}

/** A node as a list shows it: without the schemas of its capabilities. */
export function listedNodeView(node: RegisteredNodeRecord, sources: NodeViewSources): NodeView {
  const view = nodeView(node, sources);
  return {
    ...view,
    capabilities: view.capabilities.map((capability) => ({
      ...capability,
      unavailableReason: shortened(capability.unavailableReason),
      inputSchemaJson: "",
      outputSchemaJson: "",
    })),
  };
}

/** A request; its input only as a summary, since it may be large and is its caller's own. */
export function requestView(record: CapabilityRequestRecord, replayed = false): RequestView {
  const input = utf8.decode(record.inputJson.subarray(0, SUMMARY_CHARACTERS));
  return {
    requestId: record.requestId,
    deviceId: record.deviceId,
    capability: record.capability,
    state: record.state,
    attempt: record.attempt,
    createdAtUnixMs: record.createdAt,
    updatedAtUnixMs: record.updatedAt,
    dispatchedAtUnixMs: record.dispatchedAt ?? 0,
    completedAtUnixMs: record.completedAt ?? 0,
    deadlineUnixMs: record.deadline,
    maxPayloadBytes: record.maxPayloadBytes,
    requestedBy: record.requestedBy,
    outputJson: record.outputJson ?? new Uint8Array(),
    errorCode: record.errorCode ?? "",
    error: record.error ?? "",
    replayed,
    inputSummary: record.inputJson.length > SUMMARY_CHARACTERS ? `${input}…` : input,
    priority: record.priority,
    onDisconnect: record.onDisconnect ?? "",
    ttlEndsAtUnixMs: record.ttlEndsAt,
    idempotencyKey: record.idempotencyKey ?? "",
    lateResult: record.lateResult && {
      attempt: record.lateResult.attempt,
      atUnixMs: record.lateResult.at,
      success: record.lateResult.success,
      errorCode: record.lateResult.errorCode,
    },
  };
}

/** A request as a list shows it: without its output, and with the beginning of its error. */
export function listedRequestView(record: CapabilityRequestRecord): RequestView {
  const view = requestView(record);
  return { ...view, outputJson: new Uint8Array(), error: shortened(view.error) };
}

function shortened(text: string): string {
  const characters = [...text];
  return characters.length > SUMMARY_CHARACTERS ? `${characters.slice(0, SUMMARY_CHARACTERS - 1).join("")}…` : text;
}
