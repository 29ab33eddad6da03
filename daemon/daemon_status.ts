import type { IdentityManager } from "../identity/identity_manager.ts";
import type { UnixMs } from "../identity/unix_ms.ts";
import type { ListenerView, StatusView } from "../proto/gen/admin.ts";
import { PROJECT_VERSION } from "../transport/program/version.ts";
import type { CapabilityQueue } from "./capability_queue.ts";
import type { DaemonConfig } from "./daemon_config.ts";
import type { DaemonListeners, ListenerState } from "./daemon_listeners.ts";
import type { DeviceRegistry } from "./device_registry.ts";
import type { NodeRuntimeState } from "./node_runtime_state.ts";
import type { PairingDesk } from "./pairing_desk.ts";
import type { ServerCertificate } from "./server_certificate.ts";

/** What {@linkcode daemonStatus} looks at. */
export interface DaemonStatusSources {
  readonly config: DaemonConfig;
  readonly identity: IdentityManager;
  readonly certificate: ServerCertificate;
  readonly devices: DeviceRegistry;
  readonly runtime: NodeRuntimeState;
  readonly queue: CapabilityQueue;
  readonly desk: PairingDesk;
  readonly startedAt: UnixMs;
  readonly listeners: DaemonListeners;
}

/** How the daemon stands now. */
export async function daemonStatus(sources: DaemonStatusSources): Promise<StatusView> {
  const { config, identity, certificate, devices, runtime, queue, desk, startedAt, listeners } = sources;
  const pairing = await desk.counts();
  const { queued, inFlight } = queue.counts;
  return {
    version: PROJECT_VERSION,
    denoVersion: Deno.version.deno,
    stateRoot: config.stateFolder,
    startedAtUnixMs: startedAt,
    caFingerprint: identity.ca.fingerprint,
    serverCertificateExpiresAtUnixMs: certificate.current.expiresAt,
    listeners: listeners.states.map(listenerView),
    devices: devices.list().filter((device) => device.status === "paired").length,
    nodesConnected: runtime.connectedCount,
    requestsQueued: queued,
    requestsInFlight: inFlight,
    pairingRequestsPending: pairing.pendingRequests,
    pairingCodesLive: pairing.liveCodes,
  };
}

function listenerView({ name, address, absence, connections, refusals }: ListenerState): ListenerView {
  return {
    name,
    address: address ?? "",
    serving: address !== undefined,
    detail: absence,
    connections,
    refusals: [...refusals].map(([reasonCode, count]) => ({ reasonCode, count })),
  };
}
