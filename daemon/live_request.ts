import type { CapabilityRequestRecord } from "./store/capability_request_record.ts";
import type { AttemptProgress } from "./capability_dispatch_record.ts";
import { hasEnded, mayBecome, type RequestState } from "./request_state.ts";

/** What somebody who watches a request is told. */
export type RequestEvent =
  | { readonly kind: "state"; readonly record: CapabilityRequestRecord }
  | { readonly kind: "progress"; readonly attempt: number; readonly progress: AttemptProgress };

/** Told of each event in order; must not throw. */
export type RequestWatcher = (event: RequestEvent) => void;

/** A request that has not ended, in memory: its record, its watchers and its deadline. */
export class LiveRequest {
  #record: CapabilityRequestRecord;
  readonly #watchers = new Set<RequestWatcher>();
  readonly #outcome = Promise.withResolvers<void>();
  #deadlineTimer: ReturnType<typeof setTimeout> | undefined;
  /** Whether the newest attempt has been handed to a session. */
  sent = false;
  /** The highest progress sequence of the newest attempt. */
  progressSequence = 0;

  constructor(record: CapabilityRequestRecord) {
    this.#record = record;
  }

  /** Resolves when callers may be told the end. */
  get outcome(): Promise<void> {
    return this.#outcome.promise;
  }

  /** Lets the callers that wait for the end go on. */
  settle(): void {
    this.#outcome.resolve();
  }

  /** As it stands now. */
  get record(): CapabilityRequestRecord {
    return this.#record;
  }

  /** Calls `onDeadline` after `ms`; ended requests have no timer left. */
  startDeadline(ms: number, onDeadline: () => void): void {
    this.stopDeadline();
    this.#deadlineTimer = setTimeout(onDeadline, ms);
  }

  /** Clears the timer. */
  stopDeadline(): void {
    clearTimeout(this.#deadlineTimer);
    this.#deadlineTimer = undefined;
  }

  /** Moves to `state` if the table allows it and tells the watchers; returns whether it did. */
  become(state: RequestState, changes: Partial<CapabilityRequestRecord>): boolean {
    if (!mayBecome(this.#record.state, state)) return false;
    this.#record = { ...this.#record, ...changes, state };
    if (hasEnded(state)) this.stopDeadline();
    this.#tell({ kind: "state", record: this.#record });
    return true;
  }

  /** Another session carries its attempt, of which the node has told. */
  moveTo(session: { readonly epoch: number; readonly instanceId: string }, attempt: number): void {
    if (attempt !== this.#record.attempt) this.progressSequence = 0;
    this.#record = { ...this.#record, attempt, epoch: session.epoch, instanceId: session.instanceId };
  }

  /** Passes progress on, once and in order. */
  progress(progress: AttemptProgress): void {
    if (progress.sequence <= this.progressSequence) return;
    this.progressSequence = progress.sequence;
    this.#tell({ kind: "progress", attempt: this.#record.attempt, progress });
  }

  /** Adds a watcher; the returned function takes it away. */
  watch(watcher: RequestWatcher): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  #tell(event: RequestEvent): void {
    for (const watcher of [...this.#watchers]) watcher(event);
  }
}
