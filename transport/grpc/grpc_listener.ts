import { Server } from "@grpc/grpc-js";
import type { Fingerprint } from "../../identity/fingerprint.ts";
import { ENROLMENT_LIMITS, KEEP_ALIVE_MS, type ListenerLimits, NODE_RPC_LIMITS } from "../transport_limits.ts";
import { assertTestedRuntime } from "./deno_version.ts";
import { installHttp2Guard } from "./http2_guard.ts";
import { checkClientsAreVerified } from "./self_check.ts";
import type { ServerTlsMaterial } from "../server_tls_material.ts";
import { type ConnectionControl, type FrontMode, type OnRefused, TlsFront } from "./tls_front.ts";

/** What a {@linkcode GrpcListener} is started with. */
export interface GrpcListenerOptions {
  /** The address to listen on. */
  readonly hostname: string;
  /** 0 takes a free port. */
  readonly port: number;
  readonly mode: FrontMode;
  readonly tls: ServerTlsMaterial;
  /** Registers what is served; called once, before the port is open. */
  readonly services: (server: Server, connections: ConnectionControl) => void;
  /** Hears of each connection that was not let in; to be logged. */
  readonly onRefused: OnRefused;
  /**
   * Defaults to {@linkcode NODE_RPC_LIMITS} for a mutual listener and to {@linkcode ENROLMENT_LIMITS} for any other.
   */
  readonly limits?: ListenerLimits;
}

/** A gRPC server on one port, with the TLS and the limits that every listener of the daemon has. */
export class GrpcListener implements ConnectionControl {
  readonly #server: Server;
  readonly #front: TlsFront;
  /** Where it listens. */
  readonly address: { readonly hostname: string; readonly port: number };

  private constructor(server: Server, front: TlsFront, address: { hostname: string; port: number }) {
    this.#server = server;
    this.#front = front;
    this.address = address;
  }

  /**
   * Starts to listen. A mutual listener first proves on itself that it lets nobody in without a certificate.
   *
   * Rejects with `listen_failed`, `self_check_failed` or `runtime_unsupported`; nothing listens then.
   */
  static async start(options: GrpcListenerOptions): Promise<GrpcListener> {
    assertTestedRuntime();
    installHttp2Guard();
    const limits = options.limits ?? (options.mode.kind === "mutual" ? NODE_RPC_LIMITS : ENROLMENT_LIMITS);
    const server = new Server({
      "grpc.max_receive_message_length": limits.maxMessageBytes,
      "grpc.max_send_message_length": limits.maxMessageBytes,
      "grpc.max_concurrent_streams": limits.maxConcurrentStreams,
      "grpc.keepalive_time_ms": KEEP_ALIVE_MS,
      "grpc.keepalive_timeout_ms": KEEP_ALIVE_MS,
      "grpc.max_connection_idle_ms": limits.idleConnectionMs,
    });
    // The self-check is refused by design, which is no news.
    let checked = options.mode.kind !== "mutual";
    const missed = Promise.withResolvers<void>();
    const front = new TlsFront(server, {
      mode: options.mode,
      tls: options.tls,
      limits,
      onRefused: (remoteAddress, refusal) => {
        if (checked || refusal.code !== "certificate_missing") options.onRefused(remoteAddress, refusal);
        else missed.resolve();
      },
    });
    try {
      options.services(server, front);
      await front.listen(options.hostname, options.port);
      const { address } = front;
      if (address === undefined) throw new TypeError("a listener that listens has an address");
      const listener = new GrpcListener(server, front, address);
      if (!checked) await checkClientsAreVerified(address.hostname, address.port, { missed: missed.promise });
      checked = true;
      return listener;
    } catch (error) {
      await shutDown(server, front, 0);
      throw error;
    }
  }

  /** Uses other certificates for new connections; those that are open go on. */
  reload(material: ServerTlsMaterial): void {
    this.#front.reload(material);
  }

  closeConnections(fingerprint: Fingerprint): number {
    return this.#front.closeConnections(fingerprint);
  }

  dropConnection(remoteAddress: string, fingerprint: Fingerprint): number {
    return this.#front.dropConnection(remoteAddress, fingerprint);
  }

  /** TCP connections that are open now. */
  get connectionCount(): number {
    return this.#front.connectionCount;
  }

  /**
   * Stops to accept, lets running calls finish for at most `graceMs` milliseconds, then drops what is left. Settles
   * when no connection is open any more.
   */
  async close({ graceMs }: { graceMs: number }): Promise<void> {
    await shutDown(this.#server, this.#front, graceMs);
  }
}

async function shutDown(server: Server, front: TlsFront, graceMs: number): Promise<void> {
  const { promise: callsEnded, resolve } = Promise.withResolvers<void>();
  // grpc-js calls back early for connections that were handed to it, so the TLS server's end is awaited too.
  server.tryShutdown(() => resolve());
  const connectionsEnded = front.close();
  const timer = setTimeout(() => front.destroyConnections(), graceMs);
  try {
    await Promise.all([callsEnded, connectionsEnded]);
  } finally {
    clearTimeout(timer);
    server.forceShutdown();
  }
}
