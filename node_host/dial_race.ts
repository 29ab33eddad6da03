import { PalyraError } from "../identity/palyra_error.ts";
import type { NodeSession, SessionDialer, TransportName } from "../transport/session.ts";
import { isFinalRefusal } from "./connection_failure.ts";

/** One of the two dials. */
export interface Racer {
  readonly dialer: SessionDialer;
  /**
   * How long it may still take once the other one has failed, in milliseconds. Default: as long as the dialer wants.
   * Trying again finds a daemon that starts sooner than waiting for one that was not there.
   */
  readonly patienceMs?: number;
}

/** How a race ended. */
export interface DialRaceOutcome {
  /** The winner's; undefined when there is none. */
  readonly session: NodeSession | undefined;
  /** Why dials failed before the race was over. */
  readonly failures: ReadonlyMap<TransportName, PalyraError>;
}

/**
 * Dials twice and takes the session that is there first. The favourite has a head start, in milliseconds: the other dial
 * begins when that is over, or at once when the favourite fails. A session is not greeted here, so the daemon registers
 * the winner only.
 *
 * The dial that lost is aborted, and a session it obtains all the same is closed. A final refusal ends the race too: it is
 * the daemon's answer, whatever carries it. Never rejects; when `signal` aborts, there is neither session nor failure.
 */
export async function raceDials(
  favourite: Racer,
  other: Racer,
  headStartMs: number,
  signal: AbortSignal,
): Promise<DialRaceOutcome> {
  const over = new AbortController();
  const racing = AbortSignal.any([signal, over.signal]);
  const failures = new Map<TransportName, PalyraError>();
  let impatience: ReturnType<typeof setTimeout> | undefined;

  const dial = async ({ dialer }: Racer, rival: Racer): Promise<NodeSession> => {
    racing.throwIfAborted();
    const session = await dialer.dial(racing).catch((thrown: unknown) => {
      if (racing.aborted) throw thrown;
      const failure = PalyraError.from(thrown);
      failures.set(dialer.transport, failure);
      if (isFinalRefusal(failure.code)) over.abort();
      else if (rival.patienceMs !== undefined) impatience = setTimeout(() => over.abort(), rival.patienceMs);
      throw failure;
    });
    if (racing.aborted) {
      session.abort("cancelled", "This session came too late: the node has another one, or stops.");
      racing.throwIfAborted();
    }
    over.abort();
    return session;
  };

  const first = dial(favourite, other);
  const second = headStart(first, headStartMs).then(() => dial(other, favourite));
  try {
    return { session: await Promise.any([first, second]), failures };
  } catch {
    // Why each of them failed was noted above.
    return { session: undefined, failures };
  } finally {
    clearTimeout(impatience);
  }
}

/** Resolves when the favourite has done with its dial, or its head start is over. */
async function headStart(favourite: Promise<unknown>, ms: number): Promise<void> {
  const over = Promise.withResolvers<void>();
  const end = () => over.resolve();
  const timer = setTimeout(end, ms);
  favourite.then(end, end);
  await over.promise;
  clearTimeout(timer);
}
