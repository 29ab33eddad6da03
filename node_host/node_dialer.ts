import type { NodeSession, SessionEnd } from "../transport/session.ts";
import type { SessionPace } from "./session_worker.ts";
import type { TransportChoice } from "./transport_choice.ts";

/** A session that was obtained, and what goes with the way it was obtained. */
export interface DialledSession {
  readonly session: NodeSession;
  readonly choice: TransportChoice;
  /** How closely to watch it, where the defaults do not fit. */
  readonly pace?: SessionPace;
}

/** Obtains sessions at one endpoint of the daemon, over whatever transport suits. */
export interface NodeDialer {
  /** Connects and authenticates. Rejects as `SessionDialer.dial` does. */
  dial(signal: AbortSignal): Promise<DialledSession>;
  /**
   * Looks, while `standing` stands, for a better session to take its place. Resolves with one that has not been greeted
   * yet, which belongs to the caller from then on; with undefined when there is nothing better, or `signal` has aborted.
   * Never rejects.
   */
  improve(standing: DialledSession, signal: AbortSignal): Promise<DialledSession | undefined>;
  /**
   * Learns how a session ended that it had dialled, and how long that lasted. True asks for another dial without delay:
   * there is another way to the same daemon.
   */
  noteEnd(dialled: DialledSession, end: SessionEnd, lastedMs: number): boolean;
}
