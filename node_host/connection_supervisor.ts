import { setTimeout as delay } from "node:timers/promises";
import { getLogger } from "@logtape/logtape";
import { PalyraError } from "../identity/palyra_error.ts";
import { type Clock, systemClock, type UnixMs, unixMs } from "../identity/unix_ms.ts";
import { ReconnectBackoff } from "../transport/program/reconnect_backoff.ts";
import { durationText } from "../transport/program/relative_time.ts";
import type { NodeSession, SessionDialer } from "../transport/session.ts";
import { explainConnectionFailure, isFinalRefusal } from "./connection_failure.ts";
import type { ConnectionState, ConnectionStatus } from "./connection_status.ts";
import { DEFAULT_GRACE_MS, stopGracefully } from "./graceful_stop.ts";
import { type NodeSelfDescription, SessionWorker, type WelcomeFacts } from "./session_worker.ts";
import type { WorkDesk } from "./work_desk.ts";

const logger = getLogger(["palyra", "node_host", "connection"]);

/** A clock further off than this is worth a warning, in milliseconds: certificates begin five minutes early. */
const CLOCK_TOLERANCE_MS = 120_000;

/** One way to the daemon. */
export interface DialTarget {
  /** `host:port`, for people. */
  readonly endpoint: string;
  readonly dialer: SessionDialer;
}

/** What {@linkcode ConnectionSupervisor} needs. */
export interface ConnectionSupervisorOptions {
  /** Best first; at least one. */
  readonly targets: readonly DialTarget[];
  readonly desk: WorkDesk;
  /** What the next Hello says; asked for each session, since permissions may have changed. */
  readonly describe: () => Promise<NodeSelfDescription>;
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
  readonly welcomed: boolean;
  /** Ended by {@linkcode ConnectionSupervisor.reconnect}: nothing has failed. */
  readonly replaced: boolean;
  readonly failure: PalyraError;
}

/** Keeps a node connected: dials, serves the session, and dials again, for ever (design section 4). */
export class ConnectionSupervisor {
  readonly #options: ConnectionSupervisorOptions;
  readonly #clock: Clock;
  readonly #backoff: ReconnectBackoff;
  #status: ConnectionStatus | undefined;
  #loggedFailure: string | undefined;
  /** The welcomed session, and whether another one is to follow it at once. */
  #standing: { readonly session: NodeSession; replaced: boolean } | undefined;

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
    try {
      while (!signal.aborted) {
        const target = targets[position % targets.length];
        if (target === undefined) return;
        // deno-lint-ignore no-await-in-loop -- one session after the other
        const { welcomed, replaced, failure } = await this.#try(target, signal);
        if (signal.aborted) return;
        if (replaced) continue;
        this.#report(target, failure);
        if (isFinalRefusal(failure.code)) {
          this.#tell("stopping", { target, failure });
          throw failure;
        }
        // The endpoint of a lost session is the best guess; of a failed try, the next one is.
        failures = welcomed ? 0 : failures + 1;
        if (!welcomed) position += 1;
        // deno-lint-ignore no-await-in-loop -- one session after the other
        if (failures % targets.length === 0) await this.#pause(target, failure, signal);
      }
    } finally {
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

  async #try(target: DialTarget, signal: AbortSignal): Promise<TryOutcome> {
    this.#tell("connecting", { target });
    const opened = performance.now();
    let welcomed = false;
    try {
      const self = await this.#options.describe();
      const session = await target.dialer.dial(signal);
      const worker = this.#serve(session, self, (welcome) => {
        welcomed = true;
        this.#standing = { session, replaced: false };
        this.#connected(target, session, welcome);
      });
      await this.#untilEnded(worker, session, () => welcomed, signal);
      const end = await worker.ended;
      if (welcomed) this.#backoff.sessionEnded(performance.now() - opened);
      // A daemon that ends the session first has its say: it may be its final word.
      const replaced = this.#standing?.replaced === true && end.by === "local";
      const failure = this.#explain(new PalyraError(end.code, end.message, { cause: end.cause }));
      return { welcomed, replaced, failure };
    } catch (thrown) {
      return { welcomed, replaced: false, failure: this.#explain(PalyraError.from(thrown)) };
    } finally {
      this.#standing = undefined;
    }
  }

  #serve(session: NodeSession, self: NodeSelfDescription, onWelcome: (welcome: WelcomeFacts) => void): SessionWorker {
    const { desk } = this.#options;
    return new SessionWorker({ session, desk, self, clock: this.#clock, onWelcome });
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

  #connected(target: DialTarget, session: NodeSession, welcome: WelcomeFacts): void {
    this.#loggedFailure = undefined;
    this.#tell("connected", { target, epoch: welcome.epoch });
    logger.info("Connected to the daemon at {endpoint}.", {
      endpoint: target.endpoint,
      transport: session.transport,
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

  async #pause(target: DialTarget, failure: PalyraError, signal: AbortSignal): Promise<void> {
    const delayMs = this.#backoff.nextDelayMs();
    this.#tell("waiting", { target, failure, nextTryAt: unixMs(this.#clock() + delayMs) });
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
      transport: target.dialer.transport,
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
      transport: news.target?.dialer.transport ?? earlier?.transport,
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
