import type { CanonicalUlid } from "../../identity/device_id.ts";
import type { OnDisconnect } from "../../daemon/on_disconnect.ts";
import type { RequestState } from "../../daemon/request_state.ts";
import type { ProgressCursor } from "../../daemon/store/request_progress_record.ts";

/** What a caller asked for, as far as it decides over the request's fate. */
export interface Terms {
  readonly idempotent: boolean;
  readonly onDisconnect: OnDisconnect | undefined;
  readonly priority: "high" | "normal" | "low";
  readonly keyed: boolean;
  readonly timeoutMs: number;
  readonly ttlMs: number | undefined;
}

/** Where a request stands: waiting, with the node, or ended in one of the ways there are. */
export type Stage =
  | "queued"
  | "in_flight"
  | Exclude<RequestState, "queued" | "dispatched" | "running" | "awaiting_local_mediation">;

/** The process of a node, and what it can remember of an earlier one. */
export interface NodeMemory {
  readonly instanceId: string;
  readonly journalId: string;
}

/** The newest attempt of a request, as it is on disk. */
export interface StoredAttempt {
  /** Whether the request is with a node. */
  readonly inFlight: boolean;
  readonly attempt: number;
  readonly instanceId: string | undefined;
  readonly journalId: string | undefined;
}

/** One request as the design has it (section 5). */
export class ModelledRequest {
  readonly number: number;
  readonly terms: Terms;
  /** Known once somebody was told of it. */
  requestId: CanonicalUlid | undefined;
  stage: Stage = "queued";
  /** The newest attempt; 0 before the first. */
  attempt = 0;
  /** Whether that attempt may have reached a node. */
  sent = false;
  /** The node that it was meant for; undefined before the first, and when the daemon has forgotten. */
  sentTo: NodeMemory | undefined;
  /** The node's owner was asked about that attempt: his time holds up nobody else, so that more may run afterwards. */
  asked = false;
  /** By the clock that nobody can set; when the daemon starts, what is left by the wall clock. */
  deadlineAt: number;
  ttlEndsAt: number;
  /** By the wall clock. */
  readonly createdAt: number;
  readonly deadline: number;
  readonly ttlDeadline: number;
  /** How often it really started on a node. */
  starts = 0;
  /** What the node told of its progress, once and in order. */
  progress: ProgressCursor[] = [];
  /** What it ended with, when it succeeded. */
  output: string | undefined;
  /** The end that somebody was told, after which there is no other. */
  told: Stage | undefined;
  /** It is in the store for certain. */
  accepted = false;

  constructor(number: number, terms: Terms, now: { readonly elapsed: number; readonly wall: number }) {
    this.number = number;
    this.terms = terms;
    const ttlMs = Math.min(terms.ttlMs ?? terms.timeoutMs, terms.timeoutMs);
    this.deadlineAt = now.elapsed + terms.timeoutMs;
    this.ttlEndsAt = now.elapsed + ttlMs;
    this.createdAt = now.wall;
    this.deadline = now.wall + terms.timeoutMs;
    this.ttlDeadline = now.wall + ttlMs;
  }

  get ended(): boolean {
    return this.stage !== "queued" && this.stage !== "in_flight";
  }

  /** Whether an attempt that was lost, and may have started, is repeated. */
  get repeats(): boolean {
    const { onDisconnect, idempotent } = this.terms;
    return onDisconnect === "requeue" || onDisconnect === undefined && idempotent;
  }

  /** Whether nobody minds when the daemon forgets, by a crash, that it was dispatched or how it ended. */
  get mayBeForgotten(): boolean {
    const { idempotent, keyed, ttlMs } = this.terms;
    return idempotent && this.repeats && !keyed && ttlMs === undefined;
  }

  /** When its time is over as it stands: one that waits has its time to live beside its deadline. */
  get endsAt(): number {
    return this.stage === "queued" ? Math.min(this.deadlineAt, this.ttlEndsAt) : this.deadlineAt;
  }

  /** An attempt is begun, and sent as soon as it is on disk. */
  begun(attempt: number, { instanceId, journalId }: NodeMemory): void {
    this.stage = "in_flight";
    this.attempt = attempt;
    this.sent = false;
    this.asked = false;
    this.sentTo = { instanceId, journalId };
  }

  /** An attempt goes out. */
  dispatched(attempt: number, node: NodeMemory): void {
    this.begun(attempt, node);
    this.sent = true;
  }

  /** The node tells how far an attempt is: no news is what was known, and what is about another attempt. */
  progressed(report: ProgressCursor): void {
    if (this.stage !== "in_flight" || !this.sent || report.attempt !== this.attempt) return;
    const last = this.progress.findLast(({ attempt }) => attempt === report.attempt)?.sequence ?? 0;
    if (report.sequence > last) this.progress.push(report);
  }

  /** It ends with this output. */
  succeeds(output: string): void {
    this.stage = "succeeded";
    this.output = output;
  }

  /** It ends, unless it has. */
  end(stage: Stage): void {
    if (!this.ended) this.stage = stage;
  }

  /** Its time is over. */
  timeOut(elapsed: number): void {
    if (!this.ended && this.endsAt <= elapsed) this.stage = "timed_out";
  }

  /** The session that it went over has ended. */
  disconnected(): void {
    if (this.stage !== "in_flight" || this.terms.onDisconnect !== "fail") return;
    this.stage = this.sent && !this.terms.idempotent ? "lost" : "failed";
  }

  /** The node has not started it, and takes nothing new if it `drains`: then its session is as good as over. */
  handedBack(drains: boolean): void {
    this.sent = false;
    if (drains) this.disconnected();
    if (!this.ended) this.stage = "queued";
  }

  /** A node has come that has an attempt of it, or its result. */
  goesOn(attempt: number, { instanceId }: NodeMemory): void {
    this.stage = "in_flight";
    this.attempt = attempt;
    this.sent = true;
    this.sentTo = { instanceId, journalId: this.sentTo?.journalId ?? "" };
  }

  /** A node has come that has nothing of it, but that an attempt of it was cut off, if `cutOff` is one. */
  absentFrom(node: NodeMemory, cutOff = 0): void {
    if (this.stage === "queued" && cutOff > this.attempt && !this.repeats) this.stage = "lost";
    if (this.stage !== "in_flight") return;
    const remembered = this.sentTo?.instanceId === node.instanceId || this.#journalled(node);
    const neverStarted = cutOff < this.attempt && (!this.sent || remembered);
    this.stage = neverStarted || this.repeats ? "queued" : "lost";
  }

  /** The daemon starts, and has of it what was on disk. */
  restored(stored: StoredAttempt, now: { readonly elapsed: number; readonly wall: number }): void {
    const { inFlight, attempt, instanceId, journalId = "" } = stored;
    this.stage = inFlight ? "in_flight" : "queued";
    this.attempt = attempt;
    // Whether it was sent before the daemon stopped, nobody knows.
    this.sent = inFlight;
    this.sentTo = instanceId === undefined ? undefined : { instanceId, journalId };
    // A clock that was set back meanwhile does not lengthen a life.
    const left = (end: number) => Math.min(end - now.wall, end - this.createdAt);
    this.deadlineAt = now.elapsed + left(this.deadline);
    this.ttlEndsAt = now.elapsed + left(this.ttlDeadline);
    this.disconnected();
    this.timeOut(now.elapsed);
  }

  /** What must not run twice is in the node's journal from before its start: absent there, it never started. */
  #journalled({ journalId }: NodeMemory): boolean {
    return !this.terms.idempotent && journalId !== "" && this.sentTo?.journalId === journalId;
  }
}
