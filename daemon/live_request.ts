import type { AttemptProgress } from "./capability_dispatch_record.ts";
import type { CapabilitySchemas } from "./dispatch_policy.ts";
import type { ElapsedTime } from "./elapsed_time.ts";
import { hasEnded, mayBecome, type RequestState } from "./request_state.ts";
import type { CapabilityRequestRecord } from "./store/capability_request_record.ts";
import { isBehind, type ProgressCursor, type RequestProgressRecord } from "./store/request_progress_record.ts";
import { UnwrittenProgress } from "./unwritten_progress.ts";

/** What somebody who watches a request is told. */
export type RequestEvent =
  | { readonly kind: "state"; readonly record: CapabilityRequestRecord }
  | { readonly kind: "progress"; readonly attempt: number; readonly progress: AttemptProgress };

/** Told of each event in order; must not throw. */
export type RequestWatcher = (event: RequestEvent) => void;

/** When a request has to be dispatched and ended, by the clock that nobody can set. */
export interface RequestTimes {
  readonly deadlineAt: number;
  readonly ttlEndsAt: number;
}

/**
 * A request in memory, from its acceptance until its end is on disk: its record, its watchers and its times.
 *
 * Its end is told to nobody before {@linkcode settle}: what is final must still be so after a crash.
 */
export class LiveRequest {
  #record: CapabilityRequestRecord;
  #shown: CapabilityRequestRecord;
  readonly #times: RequestTimes;
  readonly #watchers = new Set<RequestWatcher>();
  readonly #outcome = Promise.withResolvers<void>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #highestAttempt: number;
  #newestProgress: ProgressCursor = { attempt: 0, sequence: 0 };
  /** Whether it is on disk; until then it may still turn out to be an earlier request's twin, or be refused. */
  accepted = false;
  /** Whether the newest attempt has been handed to a session. */
  sent = false;
  /** The schemas that were in force when the newest attempt was dispatched by this process. */
  schemas: CapabilitySchemas | undefined;
  /** Progress that is not on disk yet. */
  readonly unwritten = new UnwrittenProgress();

  constructor(record: CapabilityRequestRecord, times: RequestTimes) {
    this.#record = record;
    this.#shown = record;
    this.#times = times;
    this.#highestAttempt = record.attempt;
    // Nobody may be waiting for it when the daemon stops.
    this.#outcome.promise.catch(() => {});
  }

  /** Resolves when callers may be told the end; rejects when this process will not come to it. */
  get outcome(): Promise<void> {
    return this.#outcome.promise;
  }

  /** As it stands now. */
  get record(): CapabilityRequestRecord {
    return this.#record;
  }

  /** As it stands for everybody else. */
  get shown(): CapabilityRequestRecord {
    return this.#shown;
  }

  /** Whether it has ended, told or not. */
  get ended(): boolean {
    return hasEnded(this.#record.state);
  }

  /** The number for its next attempt: greater than any that a node may know. */
  get nextAttempt(): number {
    return this.#highestAttempt + 1;
  }

  /** When its time is over as it stands: one that waits has its time to live beside its deadline. */
  get endsAt(): number {
    const { deadlineAt, ttlEndsAt } = this.#times;
    return this.#record.state === "queued" || !this.accepted ? Math.min(deadlineAt, ttlEndsAt) : deadlineAt;
  }

  /** Whether it is its time to live that ends it, and not the deadline. */
  get endsByTtl(): boolean {
    return this.endsAt < this.#times.deadlineAt;
  }

  /** Milliseconds until the deadline. */
  timeLeft(elapsed: ElapsedTime): number {
    return this.#times.deadlineAt - elapsed();
  }

  /** Calls `onTime` once its time is over; to be called again when it is put back into the queue. */
  startTimer(elapsed: ElapsedTime, onTime: () => void): void {
    this.stopTimer();
    if (this.ended) return;
    this.#timer = setTimeout(() => {
      if (this.endsAt > elapsed()) this.startTimer(elapsed, onTime);
      else onTime();
    }, Math.max(0, Math.ceil(this.endsAt - elapsed())));
  }

  /** Clears the timer. */
  stopTimer(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Moves to `state` if the table allows it, and tells the watchers unless it is an end; returns whether it did. */
  become(state: RequestState, changes: Partial<CapabilityRequestRecord>): boolean {
    if (!mayBecome(this.#record.state, state)) return false;
    this.#record = { ...this.#record, ...changes, state };
    this.noteAttempt(this.#record.attempt);
    if (this.ended) this.stopTimer();
    else this.#show();
    return true;
  }

  /** Tells the end to the watchers and lets the callers that wait for it go on. */
  settle(): void {
    if (this.#shown === this.#record) return;
    this.#show();
    this.#outcome.resolve();
  }

  /** Its end will not come in this process: tells the callers that wait why. */
  abandon(reason: Error): void {
    this.stopTimer();
    this.#outcome.reject(reason);
  }

  /** Somebody knows of this attempt: the next one must have a greater number. */
  noteAttempt(attempt: number): void {
    this.#highestAttempt = Math.max(this.#highestAttempt, attempt);
  }

  /**
   * Its progress goes on behind what is on disk. That may be of a later attempt than the record's: not every dispatch is
   * written, and what was told under a number must not be told again about another run.
   */
  resumeProgress(newest: ProgressCursor): void {
    this.#newestProgress = newest;
    this.noteAttempt(newest.attempt);
  }

  /** Another session carries its attempt, of which the node has told. */
  moveTo(session: { readonly epoch: number; readonly instanceId: string }, attempt: number): void {
    this.noteAttempt(attempt);
    this.#record = { ...this.#record, attempt, epoch: session.epoch, instanceId: session.instanceId };
    this.#shown = this.#record;
  }

  /** Passes progress on, once and in order; false when it is neither new nor newer. */
  progress(report: RequestProgressRecord): boolean {
    const { attempt, sequence, payloadJson } = report;
    if (sequence < 1 || !isBehind(report, this.#newestProgress)) return false;
    this.#newestProgress = { attempt, sequence };
    this.unwritten.add(report);
    this.#tell({ kind: "progress", attempt, progress: { sequence, payloadJson } });
    return true;
  }

  /** Adds a watcher; the returned function takes it away. */
  watch(watcher: RequestWatcher): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  #show(): void {
    this.#shown = this.#record;
    this.#tell({ kind: "state", record: this.#record });
  }

  #tell(event: RequestEvent): void {
    if (this.#watchers.size === 0) return;
    for (const watcher of [...this.#watchers]) watcher(event);
  }
}
