import { getLogger } from "@logtape/logtape";
import { PalyraError } from "../identity/palyra_error.ts";
import type { CapabilityResult } from "../proto/gen/node.ts";
import type { CapabilityRunner, LocalCapabilityResult } from "./capabilities/mod.ts";
import { printableText } from "./capabilities/printable_text.ts";
import { type AttemptName, attemptRef, type Dispatch } from "./dispatch.ts";
import type { NodeMessage } from "./node_message.ts";
import { UnacknowledgedResults } from "./unacknowledged_results.ts";

const logger = getLogger(["palyra", "node_host", "work"]);

/** Attempts that run at once, whatever the daemon believes. */
export const MAX_RUNNING_ATTEMPTS = 256;
/** Attempts this node remembers; a Hello may name no more than 2,000. */
export const MAX_KNOWN_ATTEMPTS = 1_800;
/** What unacknowledged results may take before nothing new is started, in bytes. */
export const MAX_UNACKNOWLEDGED_BYTES: number = 64 * 1024 * 1024;

const MAX_REASON_CHARACTERS = 256;
const NO_OUTPUT = new Uint8Array(0);

/** The welcomed session, as the desk sees it. */
export interface WorkLink {
  send(message: NodeMessage): void;
}

/** What {@linkcode WorkDesk} needs. */
export interface WorkDeskOptions {
  readonly runner: Pick<CapabilityRunner, "run">;
  /** Whether the daemon simply runs a lost attempt of this capability again. */
  readonly isIdempotent: (capability: string) => boolean;
}

interface RunningAttempt {
  readonly name: AttemptName;
  readonly capability: string;
  readonly controller: AbortController;
  progressSequence: number;
  awaitingMediation: boolean;
  /** Nobody keeps a place for its result: it is told once, or not at all. */
  unwanted: "told" | "silent" | undefined;
}

/**
 * The work of this node: the attempts that run and the results that the daemon has not acknowledged. It outlives the
 * sessions: work goes on while the link is down, and the next Hello tells how it stands (design section 5).
 *
 * An attempt that the desk knows is never run again. What it cannot remember it does not start: beyond its bounds it
 * refuses with `queue_full`.
 */
export class WorkDesk {
  readonly #options: WorkDeskOptions;
  /** By request id; of one request only the newest attempt runs. */
  readonly #running = new Map<string, RunningAttempt>();
  readonly #results = new UnacknowledgedResults();
  readonly #idleWaiters = new Set<() => void>();
  #link: WorkLink | undefined;

  constructor(options: WorkDeskOptions) {
    this.#options = options;
  }

  /** Attempts that run now. */
  get inFlight(): AttemptName[] {
    return [...this.#running.values()].filter(({ unwanted }) => unwanted === undefined).map(({ name }) => name);
  }

  /** Attempts whose result the daemon has not acknowledged, oldest first. */
  get finished(): AttemptName[] {
    return this.#results.names;
  }

  /** The node has its Welcome: stops what the daemon has given up, tells what runs, and sends the results it lacks. */
  attach(link: WorkLink, abandoned: readonly AttemptName[]): void {
    this.#link = link;
    for (const attempt of abandoned) this.cancel(attempt, "the daemon no longer waits for it");
    for (const running of this.#running.values()) {
      if (running.unwanted !== undefined) continue;
      this.#tellRunning(running);
      if (running.awaitingMediation) this.#tellAwaiting(running);
    }
    this.#results.sendOver((value) => link.send({ $case: "result", value }));
  }

  /** The session with this link has ended. The work goes on. */
  detach(link: WorkLink): void {
    if (this.#link !== link) return;
    this.#link = undefined;
    this.#results.sendOver(undefined);
  }

  /** Starts an attempt, unless the desk knows it or a newer one of the same request. */
  dispatch(dispatch: Dispatch): void {
    const earlier = this.#running.get(dispatch.requestId);
    const known = earlier?.name.attempt ?? this.#results.attemptOf(dispatch.requestId) ?? 0;
    if (known >= dispatch.attempt) return;
    if (known > 0) this.cancel({ requestId: dispatch.requestId, attempt: known }, "a newer attempt takes its place");
    if (!this.#hasRoom()) return this.#refuse(dispatch);

    const running: RunningAttempt = {
      name: { requestId: dispatch.requestId, attempt: dispatch.attempt },
      capability: dispatch.capability,
      controller: new AbortController(),
      progressSequence: 0,
      awaitingMediation: false,
      unwanted: undefined,
    };
    this.#running.set(dispatch.requestId, running);
    this.#tellRunning(running);
    void this.#options.runner.run({
      name: dispatch.capability,
      inputJson: dispatch.inputJson,
      maxPayloadBytes: dispatch.maxPayloadBytes,
      timeLeftMs: dispatch.timeLeftMs,
      requestedBy: dispatch.requestedBy,
      requestId: dispatch.requestId,
      signal: running.controller.signal,
      progress: (payloadJson) => this.#tellProgress(running, payloadJson),
      awaitingMediation: () => {
        running.awaitingMediation = true;
        this.#tellAwaiting(running);
      },
      mediationEnded: () => {
        running.awaitingMediation = false;
        this.#tellRunning(running);
      },
    }).then((result) => this.#finish(running, result));
  }

  /** The daemon has ended this attempt by itself: stops it if it runs, forgets its result if it has one. */
  cancel(attempt: AttemptName, reason: string): void {
    const running = this.#running.get(attempt.requestId);
    if (running?.name.attempt === attempt.attempt) {
      running.unwanted ??= "told";
      running.controller.abort(cancelled(reason));
    }
    this.acknowledge(attempt);
  }

  /** The daemon has the result on disk. */
  acknowledge(attempt: AttemptName): void {
    this.#results.remove(attempt);
    this.#tellIdle();
  }

  /**
   * Ends what still runs because the program stops. What may be repeated is handed back by saying nothing, for the
   * daemon to dispatch again; anything else is reported as failed.
   */
  stopAll(): void {
    for (const running of [...this.#running.values()]) {
      if (this.#options.isIdempotent(running.capability)) running.unwanted ??= "silent";
      running.controller.abort(
        new PalyraError(
          "shutting_down",
          "palyra-node was stopped before this had ended; check what it has done before repeating it.",
        ),
      );
    }
  }

  /** Resolves once nothing runs and every result is acknowledged. */
  whenIdle(): Promise<void> {
    return new Promise((resolve) => {
      this.#idleWaiters.add(resolve);
      this.#tellIdle();
    });
  }

  #hasRoom(): boolean {
    return this.#running.size < MAX_RUNNING_ATTEMPTS &&
      this.#running.size + this.#results.count < MAX_KNOWN_ATTEMPTS &&
      this.#results.bytes < MAX_UNACKNOWLEDGED_BYTES;
  }

  #refuse(dispatch: Dispatch): void {
    logger.warning("A request was refused because the daemon has not taken the earlier results: {requestId}", {
      requestId: dispatch.requestId,
      running: this.#running.size,
      unacknowledged: this.#results.count,
    });
    // Not remembered: it did not run, so it may come again.
    this.#link?.send({
      $case: "result",
      value: resultOf(dispatch, {
        success: false,
        errorCode: "queue_full",
        error: "The node holds as many unacknowledged results as it can; ask again once the daemon has stored them.",
      }),
    });
  }

  #finish(running: RunningAttempt, outcome: LocalCapabilityResult): void {
    const { name } = running;
    if (this.#running.get(name.requestId) === running) this.#running.delete(name.requestId);
    const result = resultOf(name, outcome);
    if (running.unwanted === undefined) this.#results.add(name, result);
    else if (running.unwanted === "told") this.#link?.send({ $case: "result", value: result });
    this.#tellIdle();
  }

  #tellProgress(running: RunningAttempt, payloadJson: Uint8Array): void {
    running.progressSequence += 1;
    this.#link?.send({
      $case: "progress",
      value: { attempt: attemptRef(running.name), sequence: running.progressSequence, payloadJson },
    });
  }

  #tellRunning(running: RunningAttempt): void {
    this.#link?.send({ $case: "accepted", value: { attempt: attemptRef(running.name) } });
  }

  #tellAwaiting(running: RunningAttempt): void {
    this.#link?.send({ $case: "awaitingLocalMediation", value: { attempt: attemptRef(running.name) } });
  }

  #tellIdle(): void {
    if (this.#idleWaiters.size === 0 || this.#running.size > 0 || this.#results.count > 0) return;
    for (const resolve of this.#idleWaiters) resolve();
    this.#idleWaiters.clear();
  }
}

function cancelled(reason: string): PalyraError {
  const why = printableText(reason, MAX_REASON_CHARACTERS).replace(/\.$/, "");
  return new PalyraError("cancelled", `The request was cancelled: ${why || "the daemon does not say why"}.`);
}

function resultOf(attempt: AttemptName, outcome: LocalCapabilityResult): CapabilityResult {
  return {
    attempt: attemptRef(attempt),
    success: outcome.success,
    outputJson: outcome.success ? outcome.outputJson : NO_OUTPUT,
    errorCode: outcome.success ? "" : outcome.errorCode,
    error: outcome.success ? "" : outcome.error,
  };
}
