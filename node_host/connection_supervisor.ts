import { setTimeout as delay } from "node:timers/promises";
import { getLogger } from "@logtape/logtape";
import { PalyraError } from "../identity/palyra_error.ts";
import { type Clock, systemClock, type UnixMs, unixMs } from "../identity/unix_ms.ts";
import { ReconnectBackoff } from "../transport/program/reconnect_backoff.ts";
import { durationText } from "../transport/program/relative_time.ts";
import type { NodeSession } from "../transport/session.ts";
import {
  callsForRecovery,
  explainConnectionFailure,
  explainFailedRecovery,
  isFinalRefusal,
  isUnansweredRecovery,
} from "./connection_failure.ts";
import type { ConnectionState, ConnectionStatus } from "./connection_status.ts";
import type { DialTarget } from "./dial_targets.ts";
import { DEFAULT_GRACE_MS, stopGracefully } from "./graceful_stop.ts";
import type { DialledSession } from "./node_dialer.ts";
import { type NodeSelfDescription, SessionWorker, type WelcomeFacts } from "./session_worker.ts";
import type { TransportChoice } from "./transport_choice.ts";
import type { TrustHolder } from "./trust_bundle.ts";
import type { WorkDesk } from "./work_desk.ts";

const logger = getLogger(["palyra", "node_host", "connection"]);

/** A clock further off than this is worth a warning, in milliseconds: certificates begin five minutes early. */
const CLOCK_TOLERANCE_MS = 120_000;

/**
 * Recoveries in a row that may find nobody before a refusal is final which only a recovery could undo. A daemon that starts
 * again has its doors open one after the other, and an operator who has no door for recoveries has none later either.
 */
export const MAX_UNANSWERED_RECOVERIES = 8;

/** What {@linkcode ConnectionSupervisor} needs. */
export interface ConnectionSupervisorOptions {
  /** Best first; at least one. */
  readonly targets: readonly DialTarget[];
  readonly desk: WorkDesk;
  /** What the next Hello says; asked for each session, since permissions may have changed. */
  readonly describe: () => Promise<NodeSelfDescription>;
  /** Where what the daemon wants trusted goes; without it, nowhere. */
  readonly trust?: TrustHolder;
  /**
   * Gets this machine another certificate for the next dial, or rejects with why not; asked when the daemon will not have
   * the one there is. Without it, that only an operator can help.
   */
  readonly recover?: ((occasion: PalyraError, signal: AbortSignal) => Promise<void>) | undefined;
  /** Told when the daemon asks for a renewal of the certificate. */
  readonly onRenewalAsked?: (reason: string) => void;
  /** The `notAfter` of the certificate that the last dial showed, to explain refusals. */
  readonly certificateExpiresAt: () => UnixMs;
  /** Told of each change, in order. */
  readonly onStatus?: (status: ConnectionStatus) => void;
  readonly clock?: Clock;
  /** Default: full jitter, 0.5 s to 30 s. */
  readonly backoff?: ReconnectBackoff;
  /** How long running work may take to finish when the host stops, in milliseconds. Default: 10,000. */
  readonly graceMs?: number;
}

/** How one try at a target ended. */
interface TryOutcome {
  readonly failure: PalyraError;
  readonly welcomed: boolean;
  /** The session made room for another one, which follows at once: nothing has failed. */
  readonly replaced: boolean;
  /** That other session, when it was obtained before this one ended. */
  readonly successor?: DialledSession | undefined;
  /** The dialer knows another way to the same endpoint. */
  readonly dialAgain: boolean;
}

/** The welcomed session. */
interface StandingSession {
  readonly session: NodeSession;
  /** Whether another one is to follow it at once. */
  replaced: boolean;
  /** What the search for a better one came to. */
  readonly better: Promise<DialledSession | undefined>;
}

/** Keeps a node connected: dials, serves the session, and dials again, for ever (design section 4). */
export class ConnectionSupervisor {
  readonly #options: ConnectionSupervisorOptions;
  readonly #clock: Clock;
  readonly #backoff: ReconnectBackoff;
  #status: ConnectionStatus | undefined;
  #loggedFailure: string | undefined;
  #standing: StandingSession | undefined;

  constructor(options: ConnectionSupervisorOptions) {
    if (options.targets.length === 0) throw new RangeError("a supervisor needs somewhere to dial");
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#backoff = options.backoff ?? new ReconnectBackoff();
  }

  /**
   * Runs until `signal` aborts; then lets running work finish within the grace and resolves. Rejects when the daemon
   * says for good that it will not have this device: `device_revoked`, `certificate_revoked`, `device_unknown`.
   */
  async run(signal: AbortSignal): Promise<void> {
    const { targets, desk } = this.#options;
    let failures = 0;
    let position = 0;
    let successor: DialledSession | undefined;
    let recoverable: PalyraError | undefined;
    let unanswered = 0;
    try {
      while (!signal.aborted) {
        const target = targets[position % targets.length];
        if (target === undefined) return;
        // deno-lint-ignore no-await-in-loop -- one session after the other
        const outcome = await this.#try(target, successor, signal);
        const { welcomed, replaced, failure, dialAgain } = outcome;
        successor = outcome.successor;
        if (signal.aborted) return;
        if (replaced) continue;
        this.#report(target, failure);
        if (welcomed) recoverable = undefined;
        if (callsForRecovery(failure.code)) recoverable = failure;
        if (isFinalRefusal(failure.code) && !this.#mayRecover(failure)) throw this.#giveUp(target, failure);
        if (dialAgain) continue;
        // The endpoint of a lost session is the best guess; of a failed try, the next one is.
        failures = welcomed ? 0 : failures + 1;
        if (!welcomed) position += 1;
        if (failures % targets.length !== 0) continue;
        const left = recoverable === undefined || !this.#mayRecover(recoverable)
          ? failure
          // deno-lint-ignore no-await-in-loop -- one session after the other
          : await this.#recover(target, recoverable, signal);
        recoverable = undefined;
        if (signal.aborted) return;
        unanswered = left !== undefined && isUnansweredRecovery(left) ? unanswered + 1 : 0;
        const maySettle = unanswered > 0 && unanswered < MAX_UNANSWERED_RECOVERIES;
        if (left !== undefined && isFinalRefusal(left.code) && !maySettle) throw this.#giveUp(target, left);
        // After a recovery there is a pause, too: should its certificate be refused, the daemon is asked no faster for it.
        // deno-lint-ignore no-await-in-loop -- one session after the other
        await this.#pause(target, left, signal);
      }
    } finally {
      successor?.session.abort("cancelled", "palyra-node stops.");
      this.#tell("stopping", {});
      desk.stopAll();
    }
  }

  /**
   * Ends the session that stands, if one does, and opens another one at once. What runs goes on, and the next Hello
   * tells of it.
   */
  reconnect(): void {
    if (this.#standing === undefined) return;
    this.#standing.replaced = true;
    this.#standing.session.close("session_replaced", "palyra-node opens another session in place of this one.");
  }

  #mayRecover({ code }: PalyraError): boolean {
    return this.#options.recover !== undefined && callsForRecovery(code);
  }

  #giveUp(target: DialTarget, failure: PalyraError): PalyraError {
    this.#tell("stopping", { target, failure });
    return failure;
  }

  /** Undefined when there is another certificate now; else what stands in the way, the recovery's own failure with it. */
  async #recover(target: DialTarget, failure: PalyraError, signal: AbortSignal): Promise<PalyraError | undefined> {
    this.#tell("recovering", { target, failure });
    try {
      await this.#options.recover?.(failure, signal);
      return undefined;
    } catch (thrown) {
      const left = explainFailedRecovery(failure, this.#explain(PalyraError.from(thrown)));
      if (!signal.aborted) this.#report(target, left);
      return left;
    }
  }

  /** Serves `obtained`, or else a session that it dials. */
  async #try(target: DialTarget, obtained: DialledSession | undefined, signal: AbortSignal): Promise<TryOutcome> {
    this.#tell("connecting", { target });
    try {
      const self = await this.#options.describe();
      return await this.#serve(target, obtained ?? await target.dialer.dial(signal), self, signal);
    } catch (thrown) {
      obtained?.session.abort("internal", "palyra-node could not use this session.");
      const failure = this.#explain(PalyraError.from(thrown));
      return { failure, welcomed: false, replaced: false, dialAgain: false };
    } finally {
      this.#standing = undefined;
    }
  }

  async #serve(
    target: DialTarget,
    dialled: DialledSession,
    self: NodeSelfDescription,
    signal: AbortSignal,
  ): Promise<TryOutcome> {
    const { session, pace } = dialled;
    const { desk, trust, onRenewalAsked } = this.#options;
    const began = performance.now();
    const over = new AbortController();
    let welcomed = false;
    const onWelcome = (welcome: WelcomeFacts) => {
      welcomed = true;
      const better = this.#improve(target, dialled, AbortSignal.any([signal, over.signal]));
      this.#standing = { session, replaced: false, better };
      this.#connected(target, dialled, welcome);
    };
    const worker = new SessionWorker({
      ...pace,
      session,
      desk,
      self,
      trust,
      clock: this.#clock,
      onWelcome,
      onRenewalAsked,
    });
    await this.#untilEnded(worker, session, () => welcomed, signal);
    const end = await worker.ended;
    over.abort();
    const successor = await this.#standing?.better;
    const lastedMs = performance.now() - began;
    if (welcomed) this.#backoff.sessionEnded(lastedMs);
    const dialAgain = target.dialer.noteEnd(dialled, end, lastedMs);
    const failure = this.#explain(new PalyraError(end.code, end.message, { cause: end.cause }));
    // A daemon that ends the session first has its say: it may be its final word.
    const madeRoom = this.#standing?.replaced === true && end.by === "local";
    const replaced = madeRoom || successor !== undefined && !isFinalRefusal(failure.code);
    return { failure, welcomed, replaced, successor, dialAgain };
  }

  /** Has a better session take the place of the one that stands, as soon as there is one. */
  async #improve(
    target: DialTarget,
    standing: DialledSession,
    signal: AbortSignal,
  ): Promise<DialledSession | undefined> {
    const better = await target.dialer.improve(standing, signal);
    if (better !== undefined && !signal.aborted) this.reconnect();
    return better;
  }

  /** Resolves when the session is over, by itself or because the host stops. */
  async #untilEnded(
    worker: SessionWorker,
    session: NodeSession,
    isWelcomed: () => boolean,
    signal: AbortSignal,
  ): Promise<void> {
    const stop = Promise.withResolvers<void>();
    const onAbort = () => stop.resolve();
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
    try {
      await Promise.race([worker.ended, stop.promise]);
      if (!signal.aborted) return;
      if (!isWelcomed()) return session.close("shutting_down", "palyra-node is stopping.");
      const { desk, graceMs = DEFAULT_GRACE_MS } = this.#options;
      this.#tell("stopping", {});
      logger.info("Stopping: running work has {grace} to finish.", { grace: durationText(graceMs) });
      await stopGracefully({ worker, session, desk, graceMs });
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  #connected(target: DialTarget, { choice }: DialledSession, welcome: WelcomeFacts): void {
    this.#loggedFailure = undefined;
    this.#tell("connected", { target, choice, epoch: welcome.epoch });
    logger.info("Connected to the daemon at {endpoint} over {transport} ({explanation}).", {
      endpoint: target.endpoint,
      ...choice,
      epoch: welcome.epoch,
    });
    const offMs = Math.abs(welcome.clockAheadMs);
    if (offMs > CLOCK_TOLERANCE_MS) {
      logger.warning(
        "This machine's clock is {difference} {direction} the daemon's. Set both right, or certificates will be refused.",
        { difference: durationText(offMs), direction: welcome.clockAheadMs > 0 ? "ahead of" : "behind" },
      );
    }
  }

  async #pause(target: DialTarget, failure: PalyraError | undefined, signal: AbortSignal): Promise<void> {
    const delayMs = this.#backoff.nextDelayMs();
    this.#tell("waiting", {
      target,
      ...(failure !== undefined && { failure }),
      nextTryAt: unixMs(this.#clock() + delayMs),
    });
    // Only an abort rejects it, which the caller sees by itself.
    await delay(delayMs, undefined, { signal }).catch(() => {});
  }

  #explain(failure: PalyraError): PalyraError {
    return explainConnectionFailure(failure, {
      now: this.#clock(),
      certificateExpiresAt: this.#options.certificateExpiresAt(),
    });
  }

  /** Said once, however often the same thing happens. */
  #report(target: DialTarget, failure: PalyraError): void {
    const told = `${target.endpoint} ${failure.code}`;
    const repeated = this.#loggedFailure === told;
    this.#loggedFailure = told;
    const properties = {
      endpoint: target.endpoint,
      reason: failure.message,
      code: failure.code,
      cause: failure.cause,
    };
    if (repeated) logger.debug("Still not connected to {endpoint}: {reason}", properties);
    else logger.warning("Not connected to {endpoint}: {reason}", properties);
  }

  #tell(
    state: ConnectionState,
    news: {
      readonly target?: DialTarget;
      readonly choice?: TransportChoice;
      readonly epoch?: number;
      readonly failure?: PalyraError;
      readonly nextTryAt?: UnixMs;
    },
  ): void {
    const earlier = this.#status;
    // What went wrong stays to be seen until a connection stands.
    const lastFailure = news.failure ?? (state === "connected" ? undefined : earlier?.lastFailure);
    const status: ConnectionStatus = {
      state,
      choice: news.choice ?? earlier?.choice,
      daemonEndpoint: news.target?.endpoint ?? earlier?.daemonEndpoint,
      since: earlier?.state === state ? earlier.since : this.#clock(),
      epoch: news.epoch,
      lastFailure: lastFailure === undefined ? undefined : { code: lastFailure.code, message: lastFailure.message },
      nextTryAt: news.nextTryAt,
    };
    this.#status = status;
    this.#options.onStatus?.(status);
  }
}
