import type { CanonicalUlid } from "../../identity/device_id.ts";
import type { AttemptName, AttemptResult, CapabilityDispatchRecord } from "../../daemon/capability_dispatch_record.ts";
import type { NodeLink, NodeWork } from "../../daemon/node_link.ts";
import type { NodeMemory } from "./modelled_request.ts";

const utf8 = new TextEncoder();

/** What becomes of a node's journal when its process is killed. */
export type JournalFate = "kept" | "lost";

/** An attempt that a node knows. */
export interface KnownAttempt extends AttemptName {
  readonly number: number;
  readonly idempotent: boolean;
  phase: "held" | "asking" | "running" | "finished" | "cut_off";
  result: AttemptResult | undefined;
  /** The last report of how far it is. */
  sequence: number;
}

/** What the session of a {@linkcode ModelledNode} tells of. */
export interface LinkWatcher {
  dispatched(link: ModelledLink, dispatch: CapabilityDispatchRecord): void;
  acknowledged(attempt: AttemptName): void;
}

/** One session: what the daemon says over it reaches the node as long as it is whole. */
export class ModelledLink implements NodeLink {
  readonly epoch: number;
  readonly instanceId: string;
  readonly journalId: string;
  readonly maxConcurrency = 3;
  /** Whether both ends are there and the network between them. The daemon may believe so for a while longer. */
  whole = true;
  readonly #node: ModelledNode;
  readonly #watcher: LinkWatcher;

  constructor(node: ModelledNode, epoch: number, watcher: LinkWatcher) {
    this.#node = node;
    this.#watcher = watcher;
    this.epoch = epoch;
    this.instanceId = node.instanceId;
    this.journalId = node.journalId;
  }

  dispatch(dispatch: CapabilityDispatchRecord): void {
    this.#watcher.dispatched(this, dispatch);
    if (this.whole) this.#node.receive(dispatch);
  }

  cancel(attempt: AttemptName): void {
    if (this.whole) this.#node.cancel(attempt);
  }

  acknowledge(attempt: AttemptName): void {
    this.#watcher.acknowledged(attempt);
    if (this.whole) this.#node.forget(attempt);
  }
}

/** A node as the design has it: it journals what must not run twice, and keeps results until they are acknowledged. */
export class ModelledNode implements NodeMemory {
  instanceId = "instance-1";
  journalId: string;
  link: ModelledLink | undefined;
  /** What it still has to say, to be said when the daemon is not in the middle of something. */
  readonly outbox: AttemptName[] = [];
  readonly #known = new Map<CanonicalUlid, KnownAttempt>();
  readonly #numberOf: (dispatch: CapabilityDispatchRecord) => number;
  readonly #onStart: (attempt: KnownAttempt) => void;
  #processes = 1;
  #journals = 1;

  constructor(
    journalled: boolean,
    numberOf: (dispatch: CapabilityDispatchRecord) => number,
    onStart: (attempt: KnownAttempt) => void,
  ) {
    this.journalId = journalled ? "journal-1" : "";
    this.#numberOf = numberOf;
    this.#onStart = onStart;
  }

  /** The attempts in one of these phases. */
  attempts(...phases: readonly KnownAttempt["phase"][]): KnownAttempt[] {
    return [...this.#known.values()].filter(({ phase }) => phases.includes(phase));
  }

  find(requestId: CanonicalUlid): KnownAttempt | undefined {
    return this.#known.get(requestId);
  }

  /** What its Hello says. */
  get work(): NodeWork {
    const names = (attempts: KnownAttempt[]) => attempts.map(({ requestId, attempt }) => ({ requestId, attempt }));
    return {
      inFlight: names(this.attempts("held", "asking", "running")),
      finished: names(this.attempts("finished")),
      interrupted: names(this.attempts("cut_off")),
    };
  }

  /** A dispatch comes; one that it knows, or a newer attempt of, is not begun again. */
  receive(dispatch: CapabilityDispatchRecord): void {
    const { requestId, attempt, capability } = dispatch;
    const earlier = this.#known.get(requestId);
    if (earlier !== undefined && earlier.attempt >= attempt) return;
    this.#known.set(requestId, {
      requestId,
      attempt,
      number: this.#numberOf(dispatch),
      idempotent: isIdempotent(capability),
      phase: "held",
      result: undefined,
      sequence: 0,
    });
  }

  /** It begins. */
  start(attempt: KnownAttempt): void {
    attempt.phase = "running";
    this.#onStart(attempt);
  }

  /** It ends with this. */
  finish(attempt: KnownAttempt, result: AttemptResult): void {
    attempt.phase = "finished";
    attempt.result = result;
  }

  /** Takes nothing of it on, and keeps nothing. */
  drop(attempt: KnownAttempt): void {
    this.#known.delete(attempt.requestId);
  }

  /** The daemon does not want it any more: what has not begun is dropped, what runs ends and says so. */
  cancel({ requestId, attempt }: AttemptName): void {
    const known = this.#known.get(requestId);
    if (known?.attempt !== attempt) return;
    if (known.phase === "held" || known.phase === "asking") return this.drop(known);
    if (known.phase !== "running") return;
    this.finish(known, { success: false, outputJson: new Uint8Array(), errorCode: "cancelled", error: "Stopped." });
    this.outbox.push({ requestId, attempt });
  }

  /** The daemon has what became of it on disk. */
  forget({ requestId, attempt }: AttemptName): void {
    const known = this.#known.get(requestId);
    if (known?.attempt === attempt && (known.phase === "finished" || known.phase === "cut_off")) this.drop(known);
  }

  /** Its process is killed and another one starts. What is not in the journal is gone. */
  restart(journal: JournalFate): void {
    if (this.link !== undefined) this.link.whole = false;
    this.link = undefined;
    this.outbox.length = 0;
    this.instanceId = `instance-${++this.#processes}`;
    const kept = journal === "kept" && this.journalId !== "";
    if (!kept && this.journalId !== "") this.journalId = `journal-${++this.#journals}`;
    for (const attempt of [...this.#known.values()]) {
      const isInJournal = kept && !attempt.idempotent && attempt.phase !== "held" && attempt.phase !== "asking";
      if (!isInJournal) this.drop(attempt);
      else if (attempt.phase === "running") attempt.phase = "cut_off";
    }
  }
}

/** Capabilities of the model whose name begins so may run twice. */
export function isIdempotent(capability: string): boolean {
  return capability.startsWith("safe.");
}

/** The number of the request that an attempt is about: its input. */
export function numberOf({ inputJson }: Pick<CapabilityDispatchRecord, "inputJson">): number {
  return Number(new TextDecoder().decode(inputJson));
}

/** How an attempt fails. */
export function failure(errorCode: string): AttemptResult {
  return { success: false, outputJson: new Uint8Array(), errorCode, error: "It failed." };
}

/** How an attempt succeeds: what it says is its own. */
export function success({ number, attempt }: KnownAttempt): AttemptResult {
  return { success: true, outputJson: utf8.encode(JSON.stringify({ number, attempt })), errorCode: "", error: "" };
}
