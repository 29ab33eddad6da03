import type { IdentityManager } from "../identity/identity_manager.ts";
import type { UnixMs } from "../identity/unix_ms.ts";
import type { ListenerView, StatusView } from "../proto/gen/admin.ts";
import { PROJECT_VERSION } from "../transport/program/version.ts";
import type { CapabilityQueue } from "./capability_queue.ts";
import type { DaemonConfig } from "./daemon_config.ts";
import type { DeviceRegistry } from "./device_registry.ts";
import type { NodeRuntimeState } from "./node_runtime_state.ts";
import type { DaemonAddresses } from "./palyrad.ts";
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
  readonly addresses: () => DaemonAddresses;
}

/** How the daemon stands now. */
export async function daemonStatus(sources: DaemonStatusSources): Promise<StatusView> {
  const { config, identity, certificate, devices, runtime, queue, desk, startedAt } = sources;
  const pairing = await desk.counts();
  const { queued, inFlight } = queue.counts;
  return {
    version: PROJECT_VERSION,
    denoVersion: Deno.version.deno,
    stateRoot: config.stateFolder,
    startedAtUnixMs: startedAt,
    caFingerprint: identity.ca.fingerprint,
    serverCertificateExpiresAtUnixMs: certificate.current.expiresAt,
    listeners: listenersOf(sources.addresses()),
    devices: devices.list().filter((device) => device.status === "paired").length,
    nodesConnected: runtime.connectedCount,
    requestsQueued: queued,
    requestsInFlight: inFlight,
    pairingRequestsPending: pairing.pendingRequests,
    pairingCodesLive: pairing.liveCodes,
  };
}

function listenersOf({ nodeRpc, enrolment }: DaemonAddresses): ListenerView[] {
  return [
    { name: "node_rpc", address: nodeRpc, serving: true, detail: "" },
    {
      name: "enrolment",
      address: enrolment ?? "",
      serving: enrolment !== undefined,
      detail: enrolment === undefined ? "switched off" : "",
    },
    { name: "quic", address: "", serving: false, detail: "not in this version; nodes connect by gRPC" },
  ];
}
