import { getLogger } from "@logtape/logtape";
import { formatEndpoint } from "../identity/endpoint.ts";
import type { Fingerprint } from "../identity/fingerprint.ts";
import { PalyraError } from "../identity/palyra_error.ts";
import { GrpcListener } from "../transport/grpc/grpc_listener.ts";
import { HealthState } from "../transport/grpc/health_service.ts";
import type { PeerCertificate } from "../transport/session.ts";
import { AdminFace } from "./admin_face.ts";
import { advertisedEndpoints } from "./advertised_endpoints.ts";
import { CapabilityQueue } from "./capability_queue.ts";
import type { DaemonConfig } from "./daemon_config.ts";
import { removeDaemonProcess, writeDaemonProcess } from "./daemon_process_file.ts";
import { DaemonState } from "./daemon_state.ts";
import { daemonStatus } from "./daemon_status.ts";
import { DeviceAdministration } from "./device_administration.ts";
import { EnrolmentFace } from "./enrolment_face.ts";
import { addEnrolmentServices, addNodeRpcServices } from "./grpc_services.ts";
import { NodeRpcFace } from "./node_rpc_face.ts";
import { NodeRuntimeState } from "./node_runtime_state.ts";
import { NodeSessionServer } from "./node_session_server.ts";
import { OperatorRenewal } from "./operator_renewal.ts";
import { PairingDesk } from "./pairing_desk.ts";
import { RefusalLog } from "./refusal_log.ts";
import { ServerCertificate } from "./server_certificate.ts";

const log = getLogger(["palyra", "daemon"]);

/** How long calls may take to finish when the daemon stops, in milliseconds. */
const SHUTDOWN_GRACE_MS = 2_000;

/** The same for those who pair or wait for an approval, in milliseconds; they ask again by themselves. */
const ENROLMENT_GRACE_MS = 250;

/** What a peer gets to read its Goodbye before its connection is cut, in milliseconds. */
const GOODBYE_MS = 20;

/** Where the daemon listens, `host:port`. */
export interface DaemonAddresses {
  readonly nodeRpc: string;
  /** Undefined when nobody may pair. */
  readonly enrolment: string | undefined;
}

/** What has to be ended when the daemon stops, newest last. */
type Ending = () => Promise<void> | void;

/** The running daemon: its parts, put together and taken apart in order. */
export class Palyrad {
  /** Where it listens. */
  readonly addresses: DaemonAddresses;
  readonly #endings: Ending[];

  private constructor(addresses: DaemonAddresses, endings: Ending[]) {
    this.addresses = addresses;
    this.#endings = endings;
  }

  /**
   * Starts everything. Rejects with the reason (`state_in_use`, `listen_failed`, `self_check_failed`, …) after taking
   * apart what was started already.
   */
  static async start(config: DaemonConfig): Promise<Palyrad> {
    const endings: Ending[] = [];
    try {
      const addresses = await startParts(config, endings);
      log.info("palyrad is ready.", { ...addresses, stateFolder: config.stateFolder });
      return new Palyrad(addresses, endings);
    } catch (error) {
      await takeApart(endings).catch((cause) => log.error("Not all of what was started could be ended.", { cause }));
      throw error;
    }
  }

  /** Tells the nodes, lets calls finish for a moment, commits and closes. */
  async stop(): Promise<void> {
    log.info("palyrad is stopping.");
    await takeApart(this.#endings);
    log.info("palyrad has stopped.");
  }
}

/** Ends everything, also after one of the endings has failed; what failed is thrown at the end. */
async function takeApart(endings: Ending[]): Promise<void> {
  const failures: unknown[] = [];
  for (let end = endings.pop(); end !== undefined; end = endings.pop()) {
    try {
      // deno-lint-ignore no-await-in-loop -- in reverse order of the start, one after the other
      await end();
    } catch (failure) {
      failures.push(failure);
    }
  }
  if (failures.length === 1) throw failures[0];
  if (failures.length > 1) throw new AggregateError(failures, "several parts of the daemon could not be ended");
}

async function startParts(config: DaemonConfig, endings: Ending[]): Promise<DaemonAddresses> {
  const state = await DaemonState.open(config);
  endings.push(() => state.close());
  const { store, identity, devices, issuer, clock } = state;
  const startedAt = clock();

  const runtime = await NodeRuntimeState.load(store, devices, clock);
  const queue = await CapabilityQueue.open({ store, policy: runtime, clock, queueBound: config.queueBound });
  endings.push(() => queue.close());

  const listeners: Listeners = {};
  const certificate = await ServerCertificate.issue(identity, config.serverNames, (material) => {
    listeners.nodeRpc?.reload(material);
    listeners.enrolment?.reload(material);
  });
  endings.push(() => certificate.stop());

  const { certificateValidityMs } = config;
  const desk = new PairingDesk({
    store,
    identity,
    devices,
    clock,
    certificateValidityMs,
    serverCertificateFingerprint: () => certificate.current.fingerprint,
  });
  const trustBundlePem = () => identity.ca.certificatePem;
  const sessions = new NodeSessionServer({ devices, runtime, queue, trustBundlePem, clock });
  const administration = new DeviceAdministration({ store, devices, runtime, queue, sessions, desk, clock });
  const endpoints = (listener: GrpcListener | undefined) =>
    listener === undefined ? [] : advertisedEndpoints(config.serverNames, listener.address);
  const addresses = () => addressesOf(listeners);
  const status = () =>
    daemonStatus({ config, identity, certificate, devices, runtime, queue, desk, startedAt, addresses });
  const admin = new AdminFace({
    store,
    devices,
    runtime,
    queue,
    desk,
    administration,
    status,
    enrolmentEndpoints: () => endpoints(listeners.enrolment),
  });
  const enrolmentFace = new EnrolmentFace({
    desk,
    caCertificatePem: trustBundlePem,
    nodeEndpoints: () => endpoints(listeners.nodeRpc),
    clock,
  });
  const nodeRpc = new NodeRpcFace({ runtime, queue, administration, certificates: issuer });
  const health = new HealthState();

  const [nodeRpcRefusals, enrolmentRefusals] = [new RefusalLog("node_rpc"), new RefusalLog("enrolment")];
  listeners.nodeRpc = await GrpcListener.start({
    ...config.nodeRpc,
    mode: { kind: "mutual", authorize: (peer: PeerCertificate) => refusalOf(devices.identify(peer)) },
    tls: certificate.material,
    services: (server, connections) =>
      addNodeRpcServices(server, connections, { devices, nodeRpc, admin, sessions, health }),
    onRefused: (remoteAddress, error) => nodeRpcRefusals.refused(remoteAddress, error),
  });
  endings.push(() => closeAll(listeners));
  endings.push(cutRevoked(state, (fingerprint) => listeners.nodeRpc?.closeConnections(fingerprint)));

  if (config.enrolment.enabled) {
    listeners.enrolment = await GrpcListener.start({
      hostname: config.nodeRpc.hostname,
      port: config.enrolment.port,
      mode: { kind: "server-only" },
      tls: certificate.material,
      services: (server) => addEnrolmentServices(server, enrolmentFace, health),
      onRefused: (remoteAddress, error) => enrolmentRefusals.refused(remoteAddress, error),
    });
  }

  const operatorRenewal = await OperatorRenewal.start(() => state.renewOperator());
  endings.push(() => operatorRenewal.stop());
  await writeDaemonProcess(state.folder, { startedAt, ...addresses() });
  endings.push(() => removeDaemonProcess(state.folder));
  health.setServing();
  endings.push(async () => {
    health.setNotServing();
    // Both at once: a node that is told to go must not find the door open again.
    await Promise.all([sessions.shutDown(), closeAll(listeners)]);
  });
  return addresses();
}

/** The listeners that are open. */
interface Listeners {
  nodeRpc?: GrpcListener;
  enrolment?: GrpcListener;
}

/** Stops to accept at once and lets running calls finish for a moment. Closing again does nothing. */
async function closeAll(listeners: Listeners): Promise<void> {
  const { nodeRpc, enrolment } = listeners;
  delete listeners.nodeRpc;
  delete listeners.enrolment;
  await Promise.all([
    nodeRpc?.close({ graceMs: SHUTDOWN_GRACE_MS }),
    enrolment?.close({ graceMs: ENROLMENT_GRACE_MS }),
  ]);
}

function addressesOf({ nodeRpc, enrolment }: Listeners): DaemonAddresses {
  const text = ({ address: { hostname, port } }: GrpcListener) => formatEndpoint({ host: hostname, port });
  return { nodeRpc: nodeRpc ? text(nodeRpc) : "", enrolment: enrolment && text(enrolment) };
}

function refusalOf(known: unknown): PalyraError | undefined {
  return known instanceof PalyraError ? known : undefined;
}

/** Cuts the connections of each certificate that is revoked from now on, once its peer could read why. */
function cutRevoked(state: DaemonState, cut: (fingerprint: Fingerprint) => void): Ending {
  const timers = new Set<ReturnType<typeof setTimeout>>();
  const unsubscribe = state.identity.revocations.onRevoked((entry) => {
    if (entry.kind !== "certificate") return;
    const timer = setTimeout(() => {
      timers.delete(timer);
      cut(entry.fingerprint);
    }, GOODBYE_MS);
    timers.add(timer);
  });
  return () => {
    unsubscribe();
    for (const timer of timers) clearTimeout(timer);
  };
}
