import type { Server, UntypedServiceImplementation } from "@grpc/grpc-js";
import { PalyraError } from "../identity/palyra_error.ts";
import { type AdminServiceServer, AdminServiceService } from "../proto/gen/admin.ts";
import { type NodeServiceServer, NodeServiceService } from "../proto/gen/node.ts";
import { nodeStreamHandler } from "../transport/grpc/grpc_daemon_session.ts";
import { addHealthService, type HealthState } from "../transport/grpc/health_service.ts";
import { addReflectionService } from "../transport/grpc/reflection_service.ts";
import { toServiceError } from "../transport/grpc/grpc_status.ts";
import { openServerStreamHandler, serverStreamHandler } from "../transport/grpc/server_stream_handler.ts";
import type { ConnectionControl } from "../transport/grpc/tls_front.ts";
import { type CallContext, openUnaryHandler, unaryHandler } from "../transport/grpc/unary_handler.ts";
import type { Authorize, PeerCertificate } from "../transport/session.ts";
import type { AdminEventFace } from "./admin_event_face.ts";
import type { AdminFace } from "./admin_face.ts";
import type { AdminAuditFace } from "./audit/admin_audit_face.ts";
import type { AuthorityFace } from "./authority_face.ts";
import type { CapabilityGrantFace } from "./capability_grant_face.ts";
import type { DeviceRecoveryFace } from "./device_recovery_face.ts";
import type { DeviceRegistry, KnownPeer } from "./device_registry.ts";
import type { DeviceRenewalFace } from "./device_renewal_face.ts";
import type { EnrolmentFace } from "./enrolment_face.ts";
import type { NodeRpcFace } from "./node_rpc_face.ts";
import type { RevocationFace } from "./revocation_face.ts";
import type { NodeSessionServer } from "./node_session_server.ts";

const NODE_SERVICE = "palyra.node.v1.NodeService";
const ADMIN_SERVICE = "palyra.admin.v1.AdminService";
const HEALTH_SERVICE = "grpc.health.v1.Health";

/** What the node RPC listener serves. */
export interface NodeRpcServices {
  readonly devices: DeviceRegistry;
  readonly nodeRpc: NodeRpcFace;
  readonly admin: AdminFace;
  readonly adminEvents: AdminEventFace;
  readonly adminAudit: AdminAuditFace;
  readonly authority: AuthorityFace;
  readonly grants: CapabilityGrantFace;
  readonly revocation: RevocationFace;
  readonly renewals: DeviceRenewalFace;
  readonly sessions: NodeSessionServer;
  readonly health: HealthState;
}

/** Answers a call, knowing whose it is. */
type Handler<Request, Response> = (
  request: Request,
  peer: KnownPeer,
  context: CallContext,
) => Promise<Response> | Response;

function requireKnown(devices: DeviceRegistry, peer: PeerCertificate): KnownPeer {
  const known = devices.identify(peer);
  if (known instanceof PalyraError) throw known;
  return known;
}

function requireOperator(peer: KnownPeer): KnownPeer {
  if (peer.device.clientKind === "cli") return peer;
  throw new PalyraError(
    "not_an_operator",
    "Only an operator may do this: a device that was paired with `palyrad pairing code --kind cli`.",
  );
}

/** Registers NodeService without pairing, AdminService, health and reflection. */
export function addNodeRpcServices(server: Server, connections: ConnectionControl, services: NodeRpcServices): void {
  const { devices, nodeRpc, admin, adminEvents, adminAudit, grants, renewals, revocation, sessions, health } = services;
  const authorize: Authorize = (peer) => {
    const known = devices.identify(peer);
    return known instanceof PalyraError ? known : undefined;
  };
  /** A call of a paired device, whichever kind it is. */
  const byDevice = <Request, Response>(handle: Handler<Request, Response>) =>
    unaryHandler<Request, Response>(
      authorize,
      (request, context) => handle(request, requireKnown(devices, context.peer), context),
    );
  /** A call that is an operator's alone. */
  const byOperator = <Request, Response>(handle: Handler<Request, Response>) =>
    byDevice<Request, Response>((request, peer, context) => handle(request, requireOperator(peer), context));
  /** The same for a call that is answered by a stream. */
  const streamByOperator = <Request, Response>(
    handle: (request: Request, signal: AbortSignal) => AsyncIterable<Response>,
  ) =>
    serverStreamHandler<Request, Response>(authorize, (request, { peer, signal }) => {
      requireOperator(requireKnown(devices, peer));
      return handle(request, signal);
    });
  const elsewhere = unaryHandler<unknown, never>(authorize, () => {
    throw new PalyraError(
      "wrong_listener",
      "Pairing and recovery are served by the enrolment listener (by default port 7445).",
    );
  });

  const node: NodeServiceServer = {
    beginPairingSession: elsewhere,
    completePairingSession: elsewhere,
    getPairingRequestStatus: elsewhere,
    // deno-lint-ignore require-yield -- it only refuses
    watchPairingRequest: serverStreamHandler(authorize, async function* () {
      await Promise.reject(new PalyraError("wrong_listener", "Pairing is served by the enrolment listener."));
    }),
    beginDeviceRecovery: elsewhere,
    completeDeviceRecovery: elsewhere,
    rotateDeviceCertificate: byDevice((request, peer) => nodeRpc.rotateDeviceCertificate(request, peer)),
    revokeDevicePairing: byDevice((request, peer) => nodeRpc.revokeDevicePairing(request, peer)),
    registerNode: byDevice((request, peer) => nodeRpc.registerNode(request, peer)),
    streamNodeEvents: nodeStreamHandler((session) => sessions.accept(session), authorize, connections),
    executeCapability: byDevice((request, peer, { signal }) => nodeRpc.executeCapability(request, peer, signal)),
  };
  server.addService(NodeServiceService, implementation(node));

  const administration: AdminServiceServer = {
    mintPairingCode: byOperator((request, operator) => admin.mintPairingCode(request, operator)),
    listPairings: byOperator((request) => admin.listPairings(request)),
    approvePairing: byOperator((request, operator) => admin.decidePairing(request, true, operator)),
    rejectPairing: byOperator((request, operator) => admin.decidePairing(request, false, operator)),
    listDevices: byOperator((request) => admin.listDevices(request)),
    getDevice: byOperator(({ deviceId }) => renewals.getDevice(deviceId)),
    revokeDevice: byOperator(({ deviceId, reason }, operator) => admin.revokeDevice(deviceId, reason, operator)),
    removeDevice: byOperator(({ deviceId, reason }, operator) => admin.removeDevice(deviceId, reason, operator)),
    rotateDevice: byOperator(({ deviceId }, operator) => renewals.rotateDevice(deviceId, operator)),
    revokeCertificate: byOperator((request, operator) => revocation.revokeCertificate(request, operator)),
    setDeviceRecovery: byOperator((request, operator) => renewals.setDeviceRecovery(request, operator)),
    setCapabilityGrant: byOperator((request, operator) => grants.setCapabilityGrant(request, operator)),
    getAuthority: byOperator(() => services.authority.getAuthority()),
    beginAuthorityRotation: byOperator((_request, operator) => services.authority.begin(operator)),
    completeAuthorityRotation: byOperator((request, operator) => services.authority.complete(request, operator)),
    abortAuthorityRotation: byOperator((_request, operator) => services.authority.abort(operator)),
    getRevocationList: byOperator(() => revocation.getRevocationList()),
    listNodes: byOperator((request) => admin.listNodes(request)),
    getNode: byOperator(({ deviceId }) => admin.getNode(deviceId)),
    readEvents: streamByOperator((request, signal) => adminEvents.readEvents(request, signal)),
    notifyDevice: byOperator((request) => adminEvents.notifyDevice(request)),
    execute: byOperator((request, operator, { signal }) => admin.execute(request, operator, signal)),
    submit: byOperator((request, operator) => admin.submit(request, operator)),
    watch: streamByOperator((request, signal) => admin.watch(request, signal)),
    cancel: byOperator((request) => admin.cancel(request)),
    listRequests: byOperator((request) => admin.listRequests(request)),
    getRequest: byOperator(({ requestId }) => admin.getRequest(requestId)),
    readAudit: streamByOperator((request, signal) => adminAudit.readAudit(request, signal)),
    forgetArchivedAudit: byOperator((request, operator) => adminAudit.forgetArchivedAudit(request, operator)),
    getStatus: byOperator(() => admin.getStatus()),
  };
  server.addService(AdminServiceService, implementation(administration));
  addHealthService(server, health, [NODE_SERVICE, ADMIN_SERVICE], authorize);
  addReflectionService(server, [NODE_SERVICE, ADMIN_SERVICE, HEALTH_SERVICE], authorize);
}

/** Registers NodeService with pairing and recovery and nothing else, and health. */
export function addEnrolmentServices(
  server: Server,
  enrolment: EnrolmentFace,
  recovery: DeviceRecoveryFace,
  health: HealthState,
): void {
  const elsewhere = openUnaryHandler<unknown, never>(() => {
    throw new PalyraError(
      "wrong_listener",
      "This is the enrolment listener: it only pairs and recovers. Use the node RPC port.",
    );
  });
  const node: NodeServiceServer = {
    beginPairingSession: openUnaryHandler((request, { remoteAddress }) => enrolment.begin(request, remoteAddress)),
    completePairingSession: openUnaryHandler((request, { remoteAddress }) =>
      enrolment.complete(request, remoteAddress)
    ),
    getPairingRequestStatus: openUnaryHandler((request) => enrolment.status(request)),
    watchPairingRequest: openServerStreamHandler((request, { signal }) => enrolment.watch(request, signal)),
    beginDeviceRecovery: openUnaryHandler((request, { remoteAddress }) => recovery.begin(request, remoteAddress)),
    completeDeviceRecovery: openUnaryHandler((request, { remoteAddress }) => recovery.complete(request, remoteAddress)),
    rotateDeviceCertificate: elsewhere,
    revokeDevicePairing: elsewhere,
    registerNode: elsewhere,
    streamNodeEvents: (call) => {
      call.emit("error", toServiceError(new PalyraError("wrong_listener", "Sessions open on the node RPC port.")));
    },
    executeCapability: elsewhere,
  };
  server.addService(NodeServiceService, implementation(node));
  addHealthService(server, health, [NODE_SERVICE]);
}

/** grpc-js types a service's methods by an index signature that a named interface does not have. */
function implementation(service: NodeServiceServer | AdminServiceServer): UntypedServiceImplementation {
  return { ...service };
}
