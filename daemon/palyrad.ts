import { getLogger } from "@logtape/logtape";
import { PalyraError } from "../identity/palyra_error.ts";
import { HealthState } from "../transport/grpc/health_service.ts";
import type { TransportName } from "../transport/session.ts";
import { formatEndpoint } from "../identity/endpoint.ts";
import { Readiness } from "./readiness.ts";
import { AdminEventFace } from "./admin_event_face.ts";
import { AdminFace } from "./admin_face.ts";
import { AdminAuditFace } from "./audit/admin_audit_face.ts";
import { AuditLog } from "./audit/audit_log.ts";
import { recordDaemonStart, recordDaemonStop } from "./audit/daemon_run_record.ts";
import { advertisedEndpoints } from "./advertised_endpoints.ts";
import { CapabilityGrantFace } from "./capability_grant_face.ts";
import { CapabilityGranting } from "./capability_granting.ts";
import { AuthorityFace } from "./authority_face.ts";
import { AuthorityRotation } from "./authority_rotation.ts";
import { CapabilityQueue } from "./capability_queue.ts";
import type { DaemonConfig } from "./daemon_config.ts";
import { type DaemonAddresses, DaemonListeners } from "./daemon_listeners.ts";
import { removeDaemonProcess, writeDaemonProcess } from "./daemon_process_file.ts";
import { daemonMetrics, type DaemonMetricsSources } from "./daemon_metrics.ts";
import { DaemonState } from "./daemon_state.ts";
import { daemonStatus } from "./daemon_status.ts";
import { DeviceAdministration } from "./device_administration.ts";
import { DeviceRecoveryDesk } from "./device_recovery_desk.ts";
import { DeviceRecoveryFace } from "./device_recovery_face.ts";
import { DeviceRenewalAdministration } from "./device_renewal_administration.ts";
import { DeviceRenewalFace } from "./device_renewal_face.ts";
import { DeviceEventLog } from "./device_event_log.ts";
import { EnrolmentFace } from "./enrolment_face.ts";
import { addEnrolmentServices, addNodeRpcServices } from "./grpc_services.ts";
import { HistoryRetention } from "./history_retention.ts";
import { NodeRpcFace } from "./node_rpc_face.ts";
import { NodeRuntimeState } from "./node_runtime_state.ts";
import { NodeSessionServer } from "./node_session_server.ts";
import { OperatorRenewal } from "./operator_renewal.ts";
import { OperationsListener } from "./operations_listener.ts";
import { PeriodicCheck } from "./periodic_check.ts";
import { PairingDesk } from "./pairing_desk.ts";
import { eventsOfPeers } from "./peer_events.ts";
import { RevocationCut } from "./revocation_cut.ts";
import { RevocationFace } from "./revocation_face.ts";
import { ServerCertificate, type ServerCertificateTiming } from "./server_certificate.ts";

const log = getLogger(["palyra", "daemon"]);

const DAY_MS: number = 24 * 3_600_000;

/** How often the daemon sees to its own certificates, and how long they live; for tests, which cannot wait. */
export interface DaemonTiming {
  readonly serverCertificate?: ServerCertificateTiming;
  /** How often it looks whether a CA can be retired, and for expired sessions, in milliseconds; every minute by default. */
  readonly checkEveryMs?: number;
}

/** What has to be ended when the daemon stops, newest last. */
type Ending = () => Promise<void> | void;

/** The running daemon: its parts, put together and taken apart in order. */
export class Palyrad {
  /** Where it listens. */
  readonly addresses: DaemonAddresses;
  /** Why nodes cannot connect by QUIC; empty when they can. */
  readonly quicAbsence: string;
  /** Where metrics and health are served, `host:port`; undefined when they are not. */
  readonly operations: string | undefined;
  readonly #endings: Ending[];

  private constructor({ listeners, operations }: StartedParts, endings: Ending[]) {
    this.addresses = listeners.addresses;
    this.quicAbsence = listeners.quicAbsence;
    this.operations = operations && formatEndpoint({ host: operations.hostname, port: operations.port });
    this.#endings = endings;
  }

  /**
   * Starts everything. Rejects with the reason (`state_in_use`, `listen_failed`, `self_check_failed`, …) after taking
   * apart what was started already.
   */
  static async start(config: DaemonConfig, timing: DaemonTiming = {}): Promise<Palyrad> {
    const endings: Ending[] = [];
    try {
      const daemon = new Palyrad(await startParts(config, timing, endings), endings);
      log.info("palyrad is ready.", { ...daemon.addresses, stateFolder: config.stateFolder });
      return daemon;
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

/** What the outside sees of the started parts. */
interface StartedParts {
  readonly listeners: DaemonListeners;
  readonly operations: OperationsListener["address"] | undefined;
}

async function startParts(config: DaemonConfig, timing: DaemonTiming, endings: Ending[]): Promise<StartedParts> {
  const state = await DaemonState.open(config);
  endings.push(() => state.close());
  const { store, identity, devices, issuer, clock } = state;
  const startedAt = clock();

  const audit = new AuditLog({ store, anchor: state.auditAnchor, clock });
  endings.push(() => audit.close());
  await recordDaemonStart(store, clock());
  endings.push(() => recordDaemonStop(store, clock()));

  const runtime = await NodeRuntimeState.load(store, devices, clock);
  const events = new DeviceEventLog({ store, devices, clock });
  endings.push(() => events.close());
  const queue = await CapabilityQueue.open({ store, policy: runtime, clock, queueBound: config.queueBound });
  endings.push(() => queue.close());

  const listeners = new DaemonListeners();
  const certificate = await ServerCertificate.issue(
    identity,
    config.serverNames,
    ({ material, enrolmentMaterial }) => listeners.reload(material, enrolmentMaterial),
    timing.serverCertificate,
  );
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
  const trustBundlePem = () => identity.trustBundlePem;
  const sessions = new NodeSessionServer({
    devices,
    runtime,
    queue,
    events,
    trustBundlePem,
    issuer: () => identity.ca.fingerprint,
    clock,
  });
  const administration = new DeviceAdministration({ store, devices, runtime, queue, sessions, desk, events, clock });
  const advertised = (address: DaemonListeners["nodeAddress"]) =>
    address === undefined ? [] : advertisedEndpoints(config.serverNames, address);
  const status = () =>
    daemonStatus({ config, identity, certificate, devices, runtime, queue, desk, startedAt, listeners });
  const admin = new AdminFace({
    store,
    devices,
    runtime,
    queue,
    desk,
    administration,
    status,
    enrolmentEndpoints: () => advertised(listeners.enrolmentAddress),
  });
  const adminEvents = new AdminEventFace({ devices, events });
  const adminAudit = new AdminAuditFace(audit);
  const granting = new CapabilityGranting({ store, devices, queue, clock });
  const grants = new CapabilityGrantFace({ granting, devices, runtime });
  const enrolmentFace = new EnrolmentFace({
    desk,
    caCertificatePem: trustBundlePem,
    nodeEndpoints: () => advertised(listeners.nodeAddress),
    clock,
  });
  const recovery = new DeviceRecoveryFace({
    desk: new DeviceRecoveryDesk({
      identity,
      devices,
      issuer,
      clock,
      allowed: config.enrolment.recovery,
      serverCertificateFingerprint: () => certificate.current.fingerprint,
      sessionAddress: (deviceId) => runtime.connection(deviceId)?.session.remoteAddress,
      lastSessionAddress: (deviceId) => runtime.lastAddress(deviceId),
    }),
    trustBundlePem,
    succession: () => identity.succession,
    nodeEndpoints: () => advertised(listeners.nodeAddress),
  });
  const renewals = new DeviceRenewalFace({
    store,
    devices,
    runtime,
    renewals: new DeviceRenewalAdministration({ store, devices, sessions, clock }),
  });
  const rotation = new AuthorityRotation({
    keeper: state.authorities,
    identity,
    devices,
    sessions,
    follow: async () => {
      await certificate.follow();
      await state.renewOperator();
    },
    ...timing.checkEveryMs !== undefined && { checkEveryMs: timing.checkEveryMs },
  });
  endings.push(() => rotation.stop());
  const authority = new AuthorityFace({
    identity,
    keeper: state.authorities,
    rotation,
    certificate,
    devices,
    runtime,
    sessions,
  });
  const revocation = new RevocationFace({
    store,
    devices,
    runtime,
    administration,
    authorities: () => identity.authorities.trusted,
    renewOperator: () => state.renewOperator(),
    clock,
  });
  const nodeRpc = new NodeRpcFace({ runtime, queue, administration, certificates: issuer });
  const health = new HealthState();

  const metrics = {
    startedAt,
    nodesConnected: (transport: TransportName) => runtime.connectedBy(transport),
    requests: () => queue.counts,
    requestCounters: queue.counters,
    ignoredReports: queue.ignored,
    pairingSessions: () => identity.openSessions,
    listeners: () => listeners.states,
    datagrams: () => listeners.datagrams,
    storeCommits: () => store.commitCount,
  };
  // Before the others and after them, so that it tells of the start and of the end.
  const operations = await openOperations(config.operationsPort, metrics, new Readiness({ health, store }));
  endings.push(() => operations?.close());

  endings.push(() => listeners.close());
  const cut = RevocationCut.start({ revocations: identity.revocations, sessions, listeners });
  endings.push(() => cut.stop());
  await listeners.openNodes({
    ...config.nodeRpc,
    tls: certificate.material,
    authorize: (peer) => refusalOf(devices.identify(peer)),
    services: (server, connections) =>
      addNodeRpcServices(server, connections, {
        devices,
        nodeRpc,
        admin,
        adminEvents,
        adminAudit,
        authority,
        grants,
        renewals,
        revocation,
        sessions,
        health,
      }),
    quic: config.quic.enabled
      ? {
        onSession: (session) => sessions.accept(session),
        events: eventsOfPeers(devices, events),
        resetKey: await state.quicResetKey(),
      }
      : undefined,
  });
  if (config.enrolment.enabled) {
    await listeners.openEnrolment({
      hostname: config.nodeRpc.hostname,
      port: config.enrolment.port,
      tls: certificate.enrolmentMaterial,
      services: (server) => addEnrolmentServices(server, enrolmentFace, recovery, health),
    });
  }

  const keptMs = config.retentionDays * DAY_MS;
  const expiry = new PeriodicCheck(() => Promise.resolve(sessions.closeExpired()), timing.checkEveryMs);
  endings.push(() => expiry.stop());
  const retention = HistoryRetention.start({ store, devices, clock, keptMs });
  endings.push(() => retention.stop());
  const operatorRenewal = await OperatorRenewal.start(() => state.renewOperator());
  endings.push(() => operatorRenewal.stop());
  await writeDaemonProcess(state.folder, { startedAt, ...listeners.addresses });
  endings.push(() => removeDaemonProcess(state.folder));
  health.setServing();
  endings.push(async () => {
    health.setNotServing();
    // All at once: a node that is told to go must not find the door open again.
    await Promise.all([sessions.shutDown(), events.close(), audit.close(), listeners.close()]);
  });
  return { listeners, operations: operations?.address };
}

async function openOperations(
  port: number | undefined,
  sources: DaemonMetricsSources,
  readiness: Readiness,
): Promise<OperationsListener | undefined> {
  if (port === undefined) return undefined;
  const metrics = () => daemonMetrics(sources);
  return await OperationsListener.start({ port, metrics, obstacles: () => readiness.obstacles() });
}

function refusalOf(known: unknown): PalyraError | undefined {
  return known instanceof PalyraError ? known : undefined;
}
