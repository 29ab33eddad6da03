import { newUlid } from "../identity/device_id.ts";
import { PalyraError } from "../identity/palyra_error.ts";
import { type Clock, systemClock } from "../identity/unix_ms.ts";
import { GrpcDialer } from "../transport/grpc/grpc_dialer.ts";
import { PROJECT_VERSION } from "../transport/program/version.ts";
import { QuicDialer } from "../transport/quic/quic_dialer.ts";
import { quicAvailability } from "../transport/quic/quiche_addon.ts";
import { type CapabilityRegistry, CapabilityRunner, type Mediator } from "./capabilities/mod.ts";
import { CertificateRenewal } from "./certificate_renewal.ts";
import { type ConnectionStatus, ConnectionStatusFile } from "./connection_status.ts";
import { ConnectionSupervisor } from "./connection_supervisor.ts";
import { type DialTarget, dialTargets } from "./dial_targets.ts";
import { hostPlatform } from "./host_platform.ts";
import { AttemptJournal } from "./journal/mod.ts";
import { LocalMediation, type QuestionTerminal } from "./mediation/mod.ts";
import type { NodeCredentials } from "./node_credentials.ts";
import { removeNodeHostProcess, writeNodeHostProcess } from "./node_host_process.ts";
import type { NodeHostRecord } from "./node_host_record.ts";
import type { NodeHostState } from "./node_host_state.ts";
import { DEFAULT_TRANSPORT_WISH, type TransportWish } from "./transport_choice.ts";
import { WorkDesk } from "./work_desk.ts";

/** What {@linkcode runNodeHost} needs. */
export interface NodeHostOptions {
  readonly state: NodeHostState;
  readonly registry: CapabilityRegistry;
  /** How many requests run at once. */
  readonly maxConcurrency: number;
  /** What people know the machine by. Default: the name it was paired under. */
  readonly deviceName?: string | undefined;
  /** Default: auto. */
  readonly transport?: TransportWish;
  /** Where the owner is asked beside `palyra-node requests`. Default: nowhere. */
  readonly terminal?: QuestionTerminal | undefined;
  /** How long the owner may take over an answer, in milliseconds. Default: 2 minutes. */
  readonly mediationTimeoutMs?: number;
  /** Told once the host is ready to dial. */
  readonly onStart?: (record: NodeHostRecord) => void;
  /** Told of each change of the connection, and of each renewal of the certificate that succeeds or fails. */
  readonly onStatus?: (status: ConnectionStatus) => void;
  readonly clock?: Clock;
  /** Whether another certificate is got by the device key when the daemon will not have the one there is. Default: true. */
  readonly recovery?: boolean;
  /** How long running work may take to finish when the host stops, in milliseconds. Default: 10,000. */
  readonly graceMs?: number;
}

/**
 * Runs the node host until `signal` aborts: connects, serves, renews its certificate, and reconnects for ever. Rejects
 * with `not_paired`, `state_damaged`, `unsupported` (QUIC alone is wanted and this machine cannot speak it), what the
 * journal cannot be opened for (`schema_too_new`, `state_read_only`), or the daemon's final word (`device_revoked`,
 * `certificate_revoked`, `device_unknown`, `recovery_forbidden`).
 */
export async function runNodeHost(options: NodeHostOptions, signal: AbortSignal): Promise<void> {
  const { state, registry, maxConcurrency, onStart, onStatus, clock = systemClock, graceMs } = options;
  const credentials = await state.credentials();
  const record = await state.record();
  if (record === undefined) throw new PalyraError("not_paired", "This machine is not paired; run `palyra-node pair`.");

  await using mediation = await LocalMediation.start({
    stateFolder: state.folder,
    terminal: options.terminal,
    asker: `the daemon at ${record.nodeEndpoints.join(", ")}`,
    ...(options.mediationTimeoutMs !== undefined && { timeoutMs: options.mediationTimeoutMs }),
    clock,
  });
  await using journal = await AttemptJournal.open(state.folder);
  const desk = new WorkDesk({
    runner: runnerOf(registry, record, credentials, mediation.mediator, clock),
    isIdempotent: (name) => registry.find(name)?.definition.idempotent ?? false,
    journal,
  });
  const instanceId = newUlid();
  const statusFile = new ConnectionStatusFile(state.folder);
  let connection: ConnectionStatus | undefined;
  const tell = () => {
    if (connection === undefined) return;
    const status = { ...connection, renewalFailure: renewal.failure };
    statusFile.put(status);
    onStatus?.(status);
  };
  const renewal = new CertificateRenewal({
    state,
    record,
    credentials,
    reconnect: () => supervisor.reconnect(),
    onChange: tell,
    clock,
  });
  const supervisor = new ConnectionSupervisor({
    targets: targetsOf(record, options.transport ?? DEFAULT_TRANSPORT_WISH, renewal, clock),
    desk,
    describe: async () => ({
      deviceId: record.deviceId,
      platform: hostPlatform(),
      deviceName: options.deviceName ?? record.deviceName,
      softwareVersion: PROJECT_VERSION,
      instanceId,
      maxConcurrency,
      capabilities: await registry.declarations(),
    }),
    trust: renewal,
    ...(options.recovery !== false && { recover: (occasion, over) => renewal.recover(occasion, over) }),
    onRenewalAsked: (reason) => renewal.renewNow(reason),
    certificateExpiresAt: () => renewal.dialledExpiresAt,
    onStatus: (status) => {
      connection = status;
      tell();
      renewal.connectionChanged(status.state === "connected");
    },
    clock,
    ...(graceMs !== undefined && { graceMs }),
  });
  await writeNodeHostProcess(state.folder, clock());
  const ended = new AbortController();
  // Nobody need answer any more for the host to stop.
  const closeMediation = () => mediation.close();
  signal.addEventListener("abort", closeMediation, { once: true });
  const renewing = renewal.run(AbortSignal.any([signal, ended.signal]));
  try {
    onStart?.(record);
    await supervisor.run(signal);
  } finally {
    signal.removeEventListener("abort", closeMediation);
    ended.abort();
    await renewing;
    await statusFile.flush();
    await removeNodeHostProcess(state.folder);
  }
}

function runnerOf(
  registry: CapabilityRegistry,
  record: NodeHostRecord,
  credentials: NodeCredentials,
  mediator: Mediator,
  clock: Clock,
): CapabilityRunner {
  return new CapabilityRunner({
    registry,
    deviceId: record.deviceId,
    node: {
      identityFingerprint: credentials.identity.fingerprint,
      pairedAt: record.pairedAt ?? record.installedAt,
      softwareVersion: PROJECT_VERSION,
      daemonEndpoints: record.nodeEndpoints,
    },
    mediator,
    clock,
  });
}

function targetsOf(
  record: NodeHostRecord,
  wish: TransportWish,
  renewal: CertificateRenewal,
  clock: Clock,
): DialTarget[] {
  const material = () => renewal.dialMaterial();
  return dialTargets(record.nodeEndpoints, wish, {
    grpc: (endpoint) => new GrpcDialer({ endpoint, material, clock }),
    quic: (endpoint) => new QuicDialer({ endpoint, material }),
    quicAvailability,
  });
}
