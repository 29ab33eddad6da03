import { formatEndpoint } from "../identity/endpoint.ts";
import type { Fingerprint } from "../identity/fingerprint.ts";
import { GrpcListener, type GrpcListenerOptions } from "../transport/grpc/grpc_listener.ts";
import { QuicRuntime, type QuicRuntimeOptions } from "../transport/quic/quic_runtime.ts";
import type { ServerTlsMaterial } from "../transport/server_tls_material.ts";
import type { Authorize } from "../transport/session.ts";
import type { DatagramMetrics, ListenerMetrics } from "./daemon_metrics.ts";
import { type NodeEndpoint, openNodeEndpoint } from "./node_endpoint.ts";
import { RefusalLog } from "./refusal_log.ts";

/** How long calls may take to finish when the daemon stops, in milliseconds. */
const SHUTDOWN_GRACE_MS = 2_000;

/** The same for those who pair or wait for an approval, in milliseconds; they ask again by themselves. */
const ENROLMENT_GRACE_MS = 250;

/** Why a listener that nothing was said about does not serve. */
const NOT_OPEN = "switched off";

/** An address as the system gave it. */
type BoundAddress = GrpcListener["address"];

/** Where the daemon listens, `host:port`. */
export interface DaemonAddresses {
  readonly nodeRpc: string;
  /** Undefined when nodes connect by gRPC alone. */
  readonly quic: string | undefined;
  /** Undefined when nobody may pair. */
  readonly enrolment: string | undefined;
}

/** How one listener stands. */
export interface ListenerState extends ListenerMetrics {
  /** `host:port`; undefined when it does not serve. */
  readonly address: string | undefined;
  /** Why it does not serve; empty when it does. */
  readonly absence: string;
}

/** What the listeners for nodes and operators are opened with. */
export interface NodeListenerOptions {
  readonly hostname: string;
  /** 0 takes one that is free for TCP and UDP. */
  readonly port: number;
  readonly tls: ServerTlsMaterial;
  readonly authorize: Authorize;
  /** The gRPC services. */
  readonly services: GrpcListenerOptions["services"];
  /** What QUIC serves; undefined when it is switched off. */
  readonly quic: Pick<QuicRuntimeOptions, "onSession" | "events" | "resetKey"> | undefined;
}

/** The daemon's listeners: those that are open, all of them at once, and what each of them has refused. */
export class DaemonListeners {
  readonly #nodeRpcRefusals = new RefusalLog("node_rpc");
  readonly #quicRefusals = new RefusalLog("quic");
  readonly #enrolmentRefusals = new RefusalLog("enrolment");
  #nodes: NodeEndpoint | undefined;
  #enrolment: GrpcListener | undefined;

  /** Lets nodes and operators in, by gRPC and by QUIC where there is QUIC. Rejects as {@linkcode openNodeEndpoint} does. */
  async openNodes({ hostname, port, tls, authorize, services, quic }: NodeListenerOptions): Promise<void> {
    this.#nodes = await openNodeEndpoint({
      port,
      openGrpc: (port) =>
        GrpcListener.start({
          hostname,
          port,
          mode: { kind: "mutual", authorize },
          tls,
          services,
          onRefused: (remoteAddress, error) => this.#nodeRpcRefusals.refused(remoteAddress, error),
        }),
      openQuic: quic && ((hostname, port) =>
        QuicRuntime.start({
          ...quic,
          hostname,
          port,
          tls,
          authorize,
          health: () => ({ nodeRpcMtlsRequired: true }),
          onRefused: (remoteAddress, error) => this.#quicRefusals.refused(remoteAddress, error),
        })),
    });
  }

  /** Lets devices pair. Rejects as {@linkcode GrpcListener.start} does. */
  async openEnrolment(
    options: Pick<GrpcListenerOptions, "hostname" | "port" | "tls" | "services">,
  ): Promise<void> {
    this.#enrolment = await GrpcListener.start({
      ...options,
      mode: { kind: "server-only" },
      onRefused: (remoteAddress, error) => this.#enrolmentRefusals.refused(remoteAddress, error),
    });
  }

  /** Where nodes connect; undefined while nobody can. */
  get nodeAddress(): BoundAddress | undefined {
    return this.#nodes?.grpc.address;
  }

  /** Where devices pair; undefined while nobody can. */
  get enrolmentAddress(): BoundAddress | undefined {
    return this.#enrolment?.address;
  }

  /** Why nodes cannot connect by QUIC; empty when they can. */
  get quicAbsence(): string {
    return this.#nodes === undefined ? NOT_OPEN : this.#nodes.quicAbsence;
  }

  /** All addresses as text. */
  get addresses(): DaemonAddresses {
    const text = (address: BoundAddress | undefined) =>
      address && formatEndpoint({ host: address.hostname, port: address.port });
    return {
      nodeRpc: text(this.#nodes?.grpc.address) ?? "",
      quic: text(this.#nodes?.quic?.address),
      enrolment: text(this.#enrolment?.address),
    };
  }

  /** How each listener stands, also those that are not open. */
  get states(): ListenerState[] {
    const { nodeRpc, quic, enrolment } = this.addresses;
    return [
      {
        name: "node_rpc",
        address: nodeRpc || undefined,
        absence: nodeRpc === "" ? NOT_OPEN : "",
        connections: this.#nodes?.grpc.connectionCount ?? 0,
        refusals: this.#nodeRpcRefusals.countsByReason,
      },
      {
        name: "quic",
        address: quic,
        absence: this.quicAbsence,
        connections: this.#nodes?.quic?.connectionCount ?? 0,
        // Requests on a connection can be refused too, so it counts for itself.
        refusals: this.#nodes?.quic?.counters.refused ?? new Map(),
      },
      {
        name: "enrolment",
        address: enrolment,
        absence: enrolment === undefined ? NOT_OPEN : "",
        connections: this.#enrolment?.connectionCount ?? 0,
        refusals: this.#enrolmentRefusals.countsByReason,
      },
    ];
  }

  /** The datagrams of the QUIC listener; undefined when there is none. */
  get datagrams(): DatagramMetrics | undefined {
    const counters = this.#nodes?.quic?.counters;
    return counters &&
      { received: counters.datagramsReceived, sent: counters.datagramsSent, dropped: counters.datagramsDropped };
  }

  /** Uses another server certificate, or other CAs, for new connections; those that are open go on. */
  reload(material: ServerTlsMaterial, enrolmentMaterial: ServerTlsMaterial): void {
    this.#nodes?.grpc.reload(material);
    this.#nodes?.quic?.reload(material);
    this.#enrolment?.reload(enrolmentMaterial);
  }

  /** Cuts the connections of a certificate, on both transports, and returns how many there were. */
  cut(fingerprint: Fingerprint): number {
    const grpc = this.#nodes?.grpc.closeConnections(fingerprint) ?? 0;
    const quic = this.#nodes?.quic?.closeConnections(fingerprint) ?? 0;
    return grpc + quic;
  }

  /** Stops to accept at once and lets running calls finish for a moment. Closing again does nothing. */
  async close(): Promise<void> {
    const [nodes, enrolment] = [this.#nodes, this.#enrolment];
    await Promise.all([
      nodes?.grpc.close({ graceMs: SHUTDOWN_GRACE_MS }),
      nodes?.quic?.close({ graceMs: SHUTDOWN_GRACE_MS }),
      enrolment?.close({ graceMs: ENROLMENT_GRACE_MS }),
    ]);
    // Not before: a revocation cuts what is still open.
    this.#nodes = undefined;
    this.#enrolment = undefined;
  }
}
