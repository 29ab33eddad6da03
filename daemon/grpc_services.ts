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
import type { Authorize } from "../transport/session.ts";
import type { AdminFace } from "./admin_face.ts";
import type { DeviceRegistry, KnownPeer } from "./device_registry.ts";
import type { EnrolmentFace } from "./enrolment_face.ts";
import type { NodeRpcFace } from "./node_rpc_face.ts";
import type { NodeSessionServer } from "./node_session_server.ts";

const NODE_SERVICE = "palyra.node.v1.NodeService";
const ADMIN_SERVICE = "palyra.admin.v1.AdminService";
const HEALTH_SERVICE = "grpc.health.v1.Health";

/** What the node RPC listener serves. */
export interface NodeRpcServices {
  readonly devices: DeviceRegistry;
  readonly nodeRpc: NodeRpcFace;
  readonly admin: AdminFace;
  readonly sessions: NodeSessionServer;
  readonly health: HealthState;
}

/** Registers NodeService without pairing, AdminService, health and reflection. */
export function addNodeRpcServices(server: Server, connections: ConnectionControl, services: NodeRpcServices): void {
  const { devices, nodeRpc, admin, sessions, health } = services;
  const authorize: Authorize = (peer) => {
    const known = devices.identify(peer);
    return known instanceof PalyraError ? known : undefined;
  };
  const known = (context: CallContext): KnownPeer => {
    const peer = devices.identify(context.peer);
    if (peer instanceof PalyraError) throw peer;
    return peer;
  };
  const operator = (context: CallContext): KnownPeer => {
    const peer = known(context);
    if (peer.device.clientKind !== "cli") {
      throw new PalyraError(
        "not_an_operator",
        "Only an operator may do this: a device that was paired with `palyrad pairing code --kind cli`.",
      );
    }
    return peer;
  };
  const elsewhere = unaryHandler<unknown, never>(authorize, () => {
    throw new PalyraError("wrong_listener", "Pairing is served by the enrolment listener (by default port 7445).");
  });

  const node: NodeServiceServer = {
    beginPairingSession: elsewhere,
    completePairingSession: elsewhere,
    getPairingRequestStatus: elsewhere,
    // deno-lint-ignore require-yield -- it only refuses
    watchPairingRequest: serverStreamHandler(authorize, async function* () {
      await Promise.reject(new PalyraError("wrong_listener", "Pairing is served by the enrolment listener."));
    }),
    rotateDeviceCertificate: unaryHandler(
      authorize,
      (request, context) => nodeRpc.rotateDeviceCertificate(request, known(context)),
    ),
    revokeDevicePairing: unaryHandler(
      authorize,
      (request, context) => nodeRpc.revokeDevicePairing(request, known(context)),
    ),
    registerNode: unaryHandler(authorize, (request, context) => nodeRpc.registerNode(request, known(context))),
    streamNodeEvents: nodeStreamHandler((session) => sessions.accept(session), authorize, connections),
    executeCapability: unaryHandler(
      authorize,
      (request, context) => nodeRpc.executeCapability(request, known(context), context.signal),
    ),
  };
  server.addService(NodeServiceService, implementation(node));

  const administration: AdminServiceServer = {
    mintPairingCode: unaryHandler(authorize, (request, context) => admin.mintPairingCode(request, operator(context))),
    listPairings: unaryHandler(authorize, (request, context) => (operator(context), admin.listPairings(request))),
    approvePairing: unaryHandler(
      authorize,
      (request, context) => admin.decidePairing(request, true, operator(context)),
    ),
    rejectPairing: unaryHandler(
      authorize,
      (request, context) => admin.decidePairing(request, false, operator(context)),
    ),
    listDevices: unaryHandler(authorize, (request, context) => (operator(context), admin.listDevices(request))),
    getDevice: unaryHandler(authorize, (request, context) => (operator(context), admin.getDevice(request.deviceId))),
    revokeDevice: unaryHandler(
      authorize,
      ({ deviceId, reason }, context) => admin.revokeDevice(deviceId, reason, operator(context)),
    ),
    removeDevice: unaryHandler(
      authorize,
      ({ deviceId, reason }, context) => admin.removeDevice(deviceId, reason, operator(context)),
    ),
    listNodes: unaryHandler(authorize, (request, context) => (operator(context), admin.listNodes(request))),
    getNode: unaryHandler(authorize, (request, context) => (operator(context), admin.getNode(request.deviceId))),
    execute: unaryHandler(authorize, (request, context) => admin.execute(request, operator(context), context.signal)),
    submit: unaryHandler(authorize, (request, context) => admin.submit(request, operator(context))),
    watch: serverStreamHandler(authorize, (request, context) => {
      operator(context);
      return admin.watch(request.requestId, context.signal);
    }),
    cancel: unaryHandler(authorize, (request, context) => (operator(context), admin.cancel(request))),
    listRequests: unaryHandler(authorize, (request, context) => (operator(context), admin.listRequests(request))),
    getRequest: unaryHandler(authorize, (request, context) => (operator(context), admin.getRequest(request.requestId))),
    getStatus: unaryHandler(authorize, (_, context) => (operator(context), admin.getStatus())),
  };
  server.addService(AdminServiceService, implementation(administration));
  addHealthService(server, health, [NODE_SERVICE, ADMIN_SERVICE], authorize);
  addReflectionService(server, [NODE_SERVICE, ADMIN_SERVICE, HEALTH_SERVICE], authorize);
}

/** Registers NodeService with pairing and nothing else, and health. */
export function addEnrolmentServices(server: Server, enrolment: EnrolmentFace, health: HealthState): void {
  const elsewhere = openUnaryHandler<unknown, never>(() => {
    throw new PalyraError("wrong_listener", "This is the enrolment listener: it only pairs. Use the node RPC port.");
  });
  const node: NodeServiceServer = {
    beginPairingSession: openUnaryHandler((request, { remoteAddress }) => enrolment.begin(request, remoteAddress)),
    completePairingSession: openUnaryHandler((request, { remoteAddress }) =>
      enrolment.complete(request, remoteAddress)
    ),
    getPairingRequestStatus: openUnaryHandler((request) => enrolment.status(request)),
    watchPairingRequest: openServerStreamHandler((request, { signal }) => enrolment.watch(request, signal)),
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
