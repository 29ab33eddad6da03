import { getLogger } from "@logtape/logtape";
import { PalyraError } from "../identity/palyra_error.ts";
import { ReconnectBackoff } from "../transport/program/reconnect_backoff.ts";
import type { NodeSession, SessionDialer } from "../transport/session.ts";

const logger = getLogger(["palyra", "node_host", "transport"]);

/** How long after the fall-back QUIC is first tried again, at most, in milliseconds. */
const FIRST_PROBE_MS = 5_000;

/** The longest wait between two tries, in milliseconds. */
const MAX_PROBE_MS = 300_000;

/** A session over QUIC that lasted this long has shown that QUIC can be relied on, in milliseconds. */
const STEADY_MS = 300_000;

/**
 * Tries QUIC in the background while a session stands over gRPC, at growing intervals. They go on growing across sessions
 * over QUIC that did not last: where UDP comes and goes, the node must not come and go with it.
 */
export class QuicProbe {
  readonly #dialer: SessionDialer;
  readonly #backoff: ReconnectBackoff;

  constructor(dialer: SessionDialer, backoff: ReconnectBackoff = probeBackoff()) {
    this.#dialer = dialer;
    this.#backoff = backoff;
  }

  /** Tries until it has a session, which belongs to the caller. Undefined once `signal` has aborted; never rejects. */
  async untilAnswered(signal: AbortSignal): Promise<NodeSession | undefined> {
    while (!signal.aborted) {
      try {
        // deno-lint-ignore no-await-in-loop -- one try after the other
        await this.#backoff.wait(signal);
        // deno-lint-ignore no-await-in-loop -- one try after the other
        const session = await this.#dialer.dial(signal);
        if (!signal.aborted) return session;
        session.abort("cancelled", "This session came too late: the one it was to replace has ended.");
      } catch (thrown) {
        if (signal.aborted) break;
        // A final refusal will come over the session that stands, too.
        const { code, message, cause } = PalyraError.from(thrown);
        logger.debug("QUIC still does not work: {reason}", { reason: message, code, cause });
      }
    }
    return undefined;
  }

  /** Tells how long a session over QUIC lasted, in milliseconds: after a steady one the intervals start anew. */
  sessionEnded(lastedMs: number): void {
    this.#backoff.sessionEnded(lastedMs);
  }

  /** Starts the intervals anew: the network may be another one. */
  reset(): void {
    this.#backoff.reset();
  }
}

/** 5 s at first, up to 5 min, with little jitter: nodes that lost QUIC together may well find it again together. */
export function probeBackoff(): ReconnectBackoff {
  return new ReconnectBackoff({
    baseMs: FIRST_PROBE_MS,
    maxMs: MAX_PROBE_MS,
    steadyMs: STEADY_MS,
    random: () => 0.8 + 0.2 * Math.random(),
  });
}
