import { getLogger } from "@logtape/logtape";
import { PalyraError } from "../identity/palyra_error.ts";
import type { CapabilityResult } from "../proto/gen/node.ts";
import { type CapabilityRunner, type LocalCapabilityResult, NEVER_STARTED } from "./capabilities/mod.ts";
import { printableText } from "./capabilities/printable_text.ts";
import { type AttemptName, attemptRef, type Dispatch } from "./dispatch.ts";
import type { AttemptJournal } from "./journal/mod.ts";
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
  /** Keeps what must not be forgotten when the process is killed. Default: nothing is kept. */
  readonly journal?: AttemptJournal | undefined;
}

interface RunningAttempt {
  readonly name: AttemptName;
  readonly capability: string;
  readonly controller: AbortController;
  progressSequence: number;
  awaitingMediation: boolean;
  /** The daemon may be told that it runs. */
  accepted: boolean;
  /** The journal says that it has started, or is about to. */
  journalled: boolean;
  /** Why nobody waits for its result: the daemon has ended it, dispatched a newer one, or gets it handed back. */
  unwanted: "ended" | "superseded" | "handed_back" | undefined;
}

/**
 * The work of this node: the attempts that run and the results that the daemon has not acknowledged. It outlives the
 * sessions: work goes on while the link is down, and the next Hello tells how it stands (design section 5).
 *
 * An attempt that the desk knows is never run again. What it cannot remember it does not start: beyond its bounds it
 * refuses with `queue_full`.
 *
 * With a journal, an attempt of a capability that is not idempotent outlives the process as well. Such an attempt is
 * accepted once its start is on the disk, and from then on only the daemon's acknowledgement lets the desk forget it: a
 * cancel may come before the daemon itself has the end on its disk.
 */
export class WorkDesk {
  readonly #options: WorkDeskOptions;
  /** By request id; of one request only the newest attempt runs. */
  readonly #running = new Map<string, RunningAttempt>();
  readonly #results = new UnacknowledgedResults();
  /** Started by an earlier process and cut off with it; by request id. */
  readonly #interrupted = new Map<string, AttemptName>();
  readonly #idleWaiters = new Set<() => void>();
  /** Accepted in this turn of the event loop, and the daemon is not told yet. */
  readonly #untold = new Set<RunningAttempt>();
  #link: WorkLink | undefined;

  constructor(options: WorkDeskOptions) {
    this.#options = options;
    if (options.journal !== undefined) this.#takeUp(options.journal);
  }

  /** Names the journal; empty when there is none. */
  get journalId(): string {
    return this.#options.journal?.id ?? "";
  }

  /** Attempts that run now. */
  get inFlight(): AttemptName[] {
    return [...this.#running.values()]
      .filter(({ unwanted, journalled }) => unwanted === undefined || unwanted === "ended" && journalled)
      .map(({ name }) => name);
  }

  /** Attempts that a stop of an earlier process cut off, and that the daemon has not acknowledged. */
  get interrupted(): AttemptName[] {
    return [...this.#interrupted.values()];
  }

  /** Attempts whose result the daemon has not acknowledged, oldest first. */
  get finished(): AttemptName[] {
    return this.#results.names;
  }

  /** The node has its Welcome: stops what the daemon has given up, tells what runs, and sends the results it lacks. */
  attach(link: WorkLink, abandoned: readonly AttemptName[]): void {
    this.#link = link;
    this.#untold.clear();
    for (const attempt of abandoned) this.cancel(attempt, "the daemon no longer waits for it");
    for (const running of this.#running.values()) {
      if (running.unwanted !== undefined) continue;
      if (running.accepted) this.#tellRunning(running);
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
    const known = this.#attemptOf(dispatch.requestId);
    if (known >= dispatch.attempt) return;
    if (known > 0) this.#supersede({ requestId: dispatch.requestId, attempt: known });
    if (!this.#hasRoom()) return this.#refuse(dispatch);

    const { journal } = this.#options;
    const noted = journal !== undefined && !this.#options.isIdempotent(dispatch.capability);
    const running: RunningAttempt = {
      name: { requestId: dispatch.requestId, attempt: dispatch.attempt },
      capability: dispatch.capability,
      controller: new AbortController(),
      progressSequence: 0,
      awaitingMediation: false,
      accepted: !noted,
      journalled: false,
      unwanted: undefined,
    };
    this.#running.set(dispatch.requestId, running);
    if (running.accepted) this.#tellSoon(running);
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
        if (running.accepted) this.#tellRunning(running);
      },
      ...(noted && { starting: () => this.#noteStart(running, journal) }),
    }).then((result) => this.#finish(running, result));
  }

  /**
   * The daemon has ended this attempt by itself: stops it if it runs, forgets its result if it has one. What is in the
   * journal stays until it is acknowledged.
   */
  cancel(attempt: AttemptName, reason: string): void {
    this.#stop(attempt, "ended", reason);
    if (this.#options.journal?.holds(attempt)) return;
    this.#results.remove(attempt);
    this.#tellIdle();
  }

  /** The daemon has the end of this attempt on disk. Does nothing for one that still runs. */
  acknowledge(attempt: AttemptName): void {
    if (this.#running.get(attempt.requestId)?.name.attempt === attempt.attempt) return;
    this.#forget(attempt);
    this.#tellIdle();
  }

  /**
   * Ends what still runs because the program stops. What may be repeated is handed back by saying nothing, for the
   * daemon to dispatch again; what has not started, such as what waits for the owner, goes back into the daemon's queue;
   * anything else is reported as failed.
   */
  stopAll(): void {
    for (const running of [...this.#running.values()]) {
      if (this.#options.isIdempotent(running.capability)) running.unwanted ??= "handed_back";
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

  /** Goes on where the process before this one was stopped. */
  #takeUp(journal: AttemptJournal): void {
    const { interrupted, finished } = journal.load();
    for (const name of interrupted) this.#interrupted.set(name.requestId, name);
    for (const { name, result } of finished) this.#results.add(name, result);
    if (interrupted.length + finished.length === 0) return;
    logger.warning(
      "palyra-node was stopped with work in hand: the outcome of {interrupted} attempts is unknown, and {finished} " +
        "results are still to be delivered.",
      { interrupted: interrupted.length, finished: finished.length },
    );
  }

  /** The newest attempt of a request that the desk knows; 0 when it knows none. */
  #attemptOf(requestId: string): number {
    return this.#running.get(requestId)?.name.attempt ?? this.#results.attemptOf(requestId) ??
      this.#interrupted.get(requestId)?.attempt ?? 0;
  }

  #supersede(attempt: AttemptName): void {
    this.#stop(attempt, "superseded", "a newer attempt takes its place");
    this.#forget(attempt);
  }

  #stop({ requestId, attempt }: AttemptName, why: "ended" | "superseded", reason: string): void {
    const running = this.#running.get(requestId);
    if (running?.name.attempt !== attempt) return;
    running.unwanted = why;
    running.controller.abort(cancelled(reason));
  }

  #forget(attempt: AttemptName): void {
    this.#results.remove(attempt);
    if (this.#interrupted.get(attempt.requestId)?.attempt === attempt.attempt) {
      this.#interrupted.delete(attempt.requestId);
    }
    this.#options.journal?.forget(attempt);
  }

  /** Right before the capability runs; rejects when that cannot be noted, and nothing runs. */
  async #noteStart(running: RunningAttempt, journal: AttemptJournal): Promise<void> {
    running.journalled = true;
    try {
      await journal.start(running.name);
    } catch (error) {
      running.journalled = false;
      throw error;
    }
    // It may have been stopped while that was written; then it does not start.
    if (this.#running.get(running.name.requestId) !== running) return;
    running.accepted = true;
    if (running.unwanted === undefined) this.#tellSoon(running);
  }

  #hasRoom(): boolean {
    return this.#running.size < MAX_RUNNING_ATTEMPTS &&
      this.#running.size + this.#results.count + this.#interrupted.size < MAX_KNOWN_ATTEMPTS &&
      this.#results.bytes < MAX_UNACKNOWLEDGED_BYTES;
  }

  #refuse(dispatch: Dispatch): void {
    logger.warning("A request was refused because the daemon has not taken the earlier results: {requestId}", {
      requestId: dispatch.requestId,
      running: this.#running.size,
      unacknowledged: this.#results.count,
    });
    this.#sendBack(
      dispatch,
      "The node holds as many unacknowledged results as it can; the daemon is to store them first.",
    );
  }

  /** Nothing of it has run and nothing of it is remembered: the daemon puts it back into its queue. */
  #sendBack({ requestId, attempt }: AttemptName, error: string): void {
    const result = resultOf({ requestId, attempt }, { success: false, errorCode: "queue_full", error });
    this.#link?.send({ $case: "result", value: result });
  }

  #finish(running: RunningAttempt, outcome: LocalCapabilityResult): void {
    const { name, unwanted } = running;
    if (this.#running.get(name.requestId) === running) this.#running.delete(name.requestId);
    this.#untold.delete(running);
    const result = resultOf(name, outcome);
    if (unwanted === undefined && !running.accepted && isStop(outcome)) {
      this.#options.journal?.forget(name);
      this.#sendBack(name, "palyra-node was stopped before this had started; it is dispatched again when it is back.");
    } else if (running.journalled && unwanted !== "superseded") {
      this.#results.add(name, result);
      this.#options.journal?.finish(name, result);
    } else if (unwanted === undefined && !neverStarted(outcome)) {
      this.#results.add(name, result);
    } else if (unwanted !== "handed_back") {
      // Not remembered: it did not run and may come again, or the daemon has its end already.
      this.#link?.send({ $case: "result", value: result });
    }
    this.#tellIdle();
  }

  #tellProgress(running: RunningAttempt, payloadJson: Uint8Array): void {
    this.#tellNow(running);
    running.progressSequence += 1;
    this.#link?.send({
      $case: "progress",
      value: { attempt: attemptRef(running.name), sequence: running.progressSequence, payloadJson },
    });
  }

  /** Tells the daemon at the end of this turn that an attempt runs, unless it is over by then: its result says as much. */
  #tellSoon(running: RunningAttempt): void {
    if (this.#untold.size === 0) {
      setImmediate(() => {
        for (const untold of [...this.#untold]) this.#tellNow(untold);
      });
    }
    this.#untold.add(running);
  }

  /** Tells what was to be told at the end of this turn, before anything else is told of it. */
  #tellNow(running: RunningAttempt): void {
    if (this.#untold.delete(running) && running.unwanted === undefined) this.#tellRunning(running);
  }

  #tellRunning(running: RunningAttempt): void {
    this.#link?.send({ $case: "accepted", value: { attempt: attemptRef(running.name) } });
  }

  #tellAwaiting(running: RunningAttempt): void {
    this.#tellNow(running);
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

function neverStarted(outcome: LocalCapabilityResult): boolean {
  return !outcome.success && NEVER_STARTED.has(outcome.errorCode);
}

function isStop(outcome: LocalCapabilityResult): boolean {
  return !outcome.success && outcome.errorCode === "shutting_down";
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
