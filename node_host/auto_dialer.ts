import { PalyraError } from "../identity/palyra_error.ts";
import { type ReasonCode, reasonKind } from "../identity/reason_code.ts";
import type { ReconnectBackoff } from "../transport/program/reconnect_backoff.ts";
import type { SessionDialer, SessionEnd, TransportName } from "../transport/session.ts";
import { isFinalRefusal } from "./connection_failure.ts";
import { raceDials, type Racer } from "./dial_race.ts";
import type { DialledSession, NodeDialer } from "./node_dialer.ts";
import { QuicProbe } from "./quic_probe.ts";
import type { SessionPace } from "./session_worker.ts";
import { QUIC_HEALED, QUIC_LOST, QUIC_PREFERRED, quicFailed, quicSlow } from "./transport_choice.ts";

/** How long QUIC is dialled alone, in milliseconds: enough for its three round trips on most of the Internet. */
export const QUIC_HEAD_START_MS = 400;

/** How long QUIC may still take once gRPC has failed, in milliseconds: of UDP nobody says that it was refused. */
const QUIC_PATIENCE_MS = 1_000;

/** How long gRPC is dialled alone after a session over QUIC was lost, in milliseconds. */
export const GRPC_HEAD_START_MS = 2_000;

/** Over QUIC, silence is noticed soon enough to be back on gRPC within 5 s of UDP's death. */
const QUIC_PACE: SessionPace = { heartbeatIntervalMs: 1_000, silenceLimitMs: 3_000 };

/** A session that takes the place of one that works must work at once. */
const REPLACEMENT_PACE: SessionPace = { ...QUIC_PACE, welcomeTimeoutMs: 3_000 };

/** Ends of a session of which nothing was heard any more. */
const SILENT_ENDS: ReadonlySet<ReasonCode> = new Set<ReasonCode>([
  "keep_alive_missed",
  "idle_timeout",
  "deadline_exceeded",
]);

/** What {@linkcode AutoDialer} needs. */
export interface AutoDialerOptions {
  readonly quic: SessionDialer;
  readonly grpc: SessionDialer;
  /** Default: {@linkcode QUIC_HEAD_START_MS}. */
  readonly quicHeadStartMs?: number;
  /** Default: {@linkcode GRPC_HEAD_START_MS}. */
  readonly grpcHeadStartMs?: number;
  /** How long QUIC may still take once gRPC has failed. Default: 1,000 ms. */
  readonly quicPatienceMs?: number;
  /** When QUIC is tried again beside a session over gRPC. Default: after 5 s, growing to 5 min. */
  readonly probeBackoff?: ReconnectBackoff;
}

/**
 * Chooses between QUIC and gRPC at each dial (design section 4): QUIC with a head start, gRPC where UDP does not get
 * through or has died in silence, and QUIC again when it heals.
 */
export class AutoDialer implements NodeDialer {
  readonly #quic: Racer;
  readonly #grpc: Racer;
  readonly #quicHeadStartMs: number;
  readonly #grpcHeadStartMs: number;
  readonly #probe: QuicProbe;
  /** The last session over QUIC fell silent or broke, and nothing has spoken for QUIC since. */
  #quicLost = false;

  constructor(options: AutoDialerOptions) {
    this.#quic = { dialer: options.quic, patienceMs: options.quicPatienceMs ?? QUIC_PATIENCE_MS };
    this.#grpc = { dialer: options.grpc };
    this.#quicHeadStartMs = options.quicHeadStartMs ?? QUIC_HEAD_START_MS;
    this.#grpcHeadStartMs = options.grpcHeadStartMs ?? GRPC_HEAD_START_MS;
    this.#probe = new QuicProbe(options.quic, options.probeBackoff);
  }

  /** Rejects with what the daemon has answered over either transport, else with what gRPC has to say. */
  async dial(signal: AbortSignal): Promise<DialledSession> {
    const quicWasLost = this.#quicLost;
    const { session, failures } = quicWasLost
      ? await raceDials(this.#grpc, this.#quic, this.#grpcHeadStartMs, signal)
      : await raceDials(this.#quic, this.#grpc, this.#quicHeadStartMs, signal);
    // Where gRPC fails too, it is not UDP that is at fault.
    if (session?.transport === "quic" || failures.has("grpc")) this.#quicLost = false;
    if (session === undefined) throw failureOf(failures, signal);
    if (session.transport === "quic") {
      return { session, choice: quicWasLost ? QUIC_HEALED : QUIC_PREFERRED, pace: QUIC_PACE };
    }
    if (quicWasLost) return { session, choice: QUIC_LOST };
    const quicFailure = failures.get("quic");
    return {
      session,
      choice: quicFailure === undefined ? quicSlow(this.#quicHeadStartMs) : quicFailed(quicFailure),
    };
  }

  async improve(standing: DialledSession, signal: AbortSignal): Promise<DialledSession | undefined> {
    if (standing.session.transport === "quic") return undefined;
    const session = await this.#probe.untilAnswered(signal);
    if (session === undefined) return undefined;
    this.#quicLost = false;
    return { session, choice: QUIC_HEALED, pace: REPLACEMENT_PACE };
  }

  noteEnd({ session }: DialledSession, end: SessionEnd, lastedMs: number): boolean {
    const fellSilent = end.by !== "peer" && SILENT_ENDS.has(end.code);
    const lost = fellSilent || end.by === "network";
    if (session.transport === "quic") {
      this.#probe.sessionEnded(lastedMs);
      this.#quicLost = lost;
      // Silence has lasted long enough; what breaks at once may do so again.
      return fellSilent;
    }
    if (lost) {
      // The machine may have moved to a network where UDP gets through.
      this.#quicLost = false;
      this.#probe.reset();
    }
    return false;
  }
}

/** Why neither dial got through. Who judges has answered, which says more than silence; of silence TCP says more. */
function failureOf(failures: ReadonlyMap<TransportName, PalyraError>, signal: AbortSignal): PalyraError {
  const all = [...failures.values()];
  return all.find(({ code }) => isFinalRefusal(code)) ??
    all.find(({ code }) => reasonKind(code) === "authentication") ??
    failures.get("grpc") ??
    new PalyraError("cancelled", "Connecting was given up.", { cause: signal.reason });
}
