import { parseDeviceId } from "../identity/device_id.ts";
import { PalyraError } from "../identity/palyra_error.ts";
import type {
  ExecuteCapabilityRequest,
  ExecuteCapabilityResponse,
  RegisterNodeRequest,
  RegisterNodeResponse,
  RevokeDevicePairingRequest,
  RevokeDevicePairingResponse,
  RotateDeviceCertificateRequest,
  RotateDeviceCertificateResponse,
} from "../proto/gen/node.ts";
import { checkOrder, DEFAULT_EXECUTE_TIMEOUT_MS } from "./capability_order.ts";
import type { CapabilityQueue } from "./capability_queue.ts";
import type { CertificateIssuer } from "./certificate_issuer.ts";
import type { DeviceAdministration } from "./device_administration.ts";
import type { KnownPeer } from "./device_registry.ts";
import { checkRegistration } from "./node_registration.ts";
import type { NodeRuntimeState } from "./node_runtime_state.ts";

/** What {@linkcode NodeRpcFace} needs. */
export interface NodeRpcFaceOptions {
  readonly runtime: NodeRuntimeState;
  readonly queue: CapabilityQueue;
  readonly administration: DeviceAdministration;
  readonly certificates: CertificateIssuer;
}

/** The unary calls of NodeService on the node RPC listener. Each acts for the caller's own device and no other. */
export class NodeRpcFace {
  readonly #options: NodeRpcFaceOptions;

  constructor(options: NodeRpcFaceOptions) {
    this.#options = options;
  }

  /** Stores what the node declares. */
  async registerNode(request: RegisterNodeRequest, peer: KnownPeer): Promise<RegisterNodeResponse> {
    const deviceId = ownDevice(request.deviceId?.ulid, peer);
    if (peer.device.clientKind !== "node") throw notANode();
    await this.#options.runtime.register(deviceId, {
      ...checkRegistration(request.platform, request.capabilities),
      deviceName: peer.device.deviceName,
    });
    return { v: 1, deviceId: { ulid: deviceId }, accepted: true, reason: "registered" };
  }

  /** Issues a further certificate from a CSR; the one in use stays valid until its own end. */
  async rotateDeviceCertificate(
    request: RotateDeviceCertificateRequest,
    peer: KnownPeer,
  ): Promise<RotateDeviceCertificateResponse> {
    ownDevice(request.deviceId?.ulid, peer);
    const { device, certificate: shown } = peer;
    const certificate = await this.#options.certificates.rotate(device, request.csrDer, shown.fingerprint);
    return {
      v: 1,
      rotated: true,
      reason: "rotated",
      mtlsClientCertificatePem: certificate.pem,
      certExpiresAtUnixMs: certificate.expiresAt,
    };
  }

  /** Ends the caller's own pairing; throws `invalid_argument` for the local operator, which has none. */
  async revokeDevicePairing(
    request: RevokeDevicePairingRequest,
    peer: KnownPeer,
  ): Promise<RevokeDevicePairingResponse> {
    const deviceId = ownDevice(request.deviceId?.ulid, peer);
    await this.#options.administration.unpair(deviceId);
    return { v: 1, revoked: true, reason: "revoked" };
  }

  /** Runs a capability of the caller's own device. */
  async executeCapability(
    request: ExecuteCapabilityRequest,
    peer: KnownPeer,
    signal: AbortSignal,
  ): Promise<ExecuteCapabilityResponse> {
    const deviceId = ownDevice(request.deviceId?.ulid, peer);
    const order = checkOrder({
      deviceId,
      capability: request.capability,
      inputJson: request.inputJson,
      maxPayloadBytes: request.maxPayloadBytes,
      timeoutMs: 0,
      requestedBy: `device ${deviceId}`,
      idempotencyKey: "",
    }, DEFAULT_EXECUTE_TIMEOUT_MS);
    const { record } = await this.#options.queue.execute(order, signal);
    return {
      v: 1,
      success: record.state === "succeeded",
      outputJson: record.outputJson ?? new Uint8Array(),
      error: record.error ?? "",
    };
  }
}

function notANode(): PalyraError {
  return new PalyraError("device_mismatch", "Only a device that was paired as a node can register as one.");
}

function ownDevice(claimed: string | undefined, peer: KnownPeer) {
  const deviceId = parseDeviceId(claimed ?? "");
  if (deviceId !== peer.device.deviceId) {
    throw new PalyraError("device_mismatch", "A device may act only for itself: the id is not its certificate's.");
  }
  return deviceId;
}
