import type { Fingerprint } from "../../identity/fingerprint.ts";
import { PalyraError } from "../../identity/palyra_error.ts";
import type { ServerTlsMaterial } from "../server_tls_material.ts";
import type { Authorize, DaemonSession } from "../session.ts";
import type { ReadDeviceEvents } from "./device_events.ts";
import { APPLICATION_CODE } from "./quic_code.ts";
import type { QuicConnection } from "./quic_connection.ts";
import { type QuicCounters, RefusalCounts } from "./quic_counters.ts";
import { QuicDaemonSession } from "./quic_daemon_session.ts";
import { QuicListener } from "./quic_listener.ts";
import type { QuicStream } from "./quic_stream.ts";
import { quicLimits, type QuicTransportLimits } from "./quic_transport_limits.ts";
import { type RequestServices, RequestStream } from "./request_stream.ts";
import { RESET_KEY_BYTES } from "./stateless_reset.ts";

/** What the daemon says of itself over QUIC. */
export interface HealthReport {
  readonly nodeRpcMtlsRequired: boolean;
}

/** What a {@linkcode QuicRuntime} is started with. */
export interface QuicRuntimeOptions {
  readonly hostname: string;
  /** 0 takes a free port. */
  readonly port: number;
  readonly tls: ServerTlsMaterial;
  /** Asked after each handshake, and again for each request. */
  readonly authorize: Authorize;
  /** Takes the session of a node and sets its handler at once. */
  readonly onSession: (session: DaemonSession) => void;
  readonly health: () => HealthReport;
  readonly events: ReadDeviceEvents;
  /** Hears of each connection that was not let in; to be logged. */
  readonly onRefused: (remoteAddress: string, refusal: PalyraError) => void;
  /** 32 secret bytes that outlive the process (RFC 9000, section 10.3). Fresh ones by default. */
  readonly resetKey?: Uint8Array;
  /** Changes to the defaults. */
  readonly limits?: Partial<QuicTransportLimits>;
}

/** The daemon's QUIC listener and what is served on it (design section 4). */
export class QuicRuntime {
  readonly #options: QuicRuntimeOptions;
  readonly #limits: QuicTransportLimits;
  readonly #listener: QuicListener;
  readonly #services: Omit<RequestServices, "openSession" | "refuseSession">;
  /** A session has its connection for itself: the end of the one is the end of the other. */
  readonly #withSession = new WeakSet<QuicConnection>();
  readonly #refusals = new RefusalCounts();

  private constructor(options: QuicRuntimeOptions) {
    this.#options = options;
    const { authorize, health, events } = options;
    this.#services = { authorize, health, events, onRefused: (refusal) => this.#refusals.count(refusal.code) };
    this.#limits = quicLimits(options.limits);
    const { hostname, port, tls, onRefused } = options;
    this.#listener = QuicListener.start({
      hostname,
      port,
      tls,
      authorize,
      limits: this.#limits,
      resetKey: options.resetKey ?? crypto.getRandomValues(new Uint8Array(RESET_KEY_BYTES)),
      onStream: (stream, connection) => this.#serve(stream, connection),
      onRefused: (remoteAddress, refusal) => {
        this.#refusals.count(refusal.code);
        onRefused(remoteAddress, refusal);
      },
    });
  }

  /** Listens. Throws `listen_failed`, and `unsupported` where there is no QUIC; nothing listens then. */
  static start(options: QuicRuntimeOptions): QuicRuntime {
    return new QuicRuntime(options);
  }

  /** Where it listens. */
  get address(): { readonly hostname: string; readonly port: number } {
    return this.#listener.address;
  }

  /** Connections that were let in and are open. */
  get connectionCount(): number {
    return this.#listener.connectionCount;
  }

  /** What it has done since its start. */
  get counters(): QuicCounters {
    const { received, sent, dropped } = this.#listener.datagrams;
    return {
      accepted: this.#listener.acceptedCount,
      open: this.#listener.connectionCount,
      held: this.#listener.heldCount,
      refused: this.#refusals.byCode,
      datagramsReceived: received,
      datagramsSent: sent,
      datagramsDropped: dropped,
    };
  }

  /** Uses other certificates for new connections; those that are open go on. */
  reload(tls: ServerTlsMaterial): void {
    this.#listener.reload(tls);
  }

  /** Closes every connection made with this certificate, at once, and returns how many there were. */
  closeConnections(fingerprint: Fingerprint): number {
    return this.#listener.closeConnections(fingerprint);
  }

  /**
   * Takes no more connections, waits at most `graceMs` milliseconds for those there are to end by themselves, and closes
   * what is left. Closing again waits for the same end.
   */
  async close({ graceMs }: { readonly graceMs: number }): Promise<void> {
    await this.#listener.close(graceMs);
  }

  #serve(stream: QuicStream, connection: QuicConnection): void {
    const { peer } = connection;
    if (peer === undefined || !stream.sends) return stream.reset(APPLICATION_CODE.streamNotServed);
    RequestStream.serve(stream, peer, this.#limits, {
      ...this.#services,
      refuseSession: () => this.#withSession.has(connection) ? secondSession() : undefined,
      openSession: (frames) => {
        this.#withSession.add(connection);
        this.#options.onSession(new QuicDaemonSession(connection, frames, peer, this.#limits.maxFrameBytes));
      },
    });
  }
}

function secondSession(): PalyraError {
  return new PalyraError("stream_limit", "This connection has had its session. Open another connection for the next.");
}
