import type { ConsentScope } from "../capabilities/consent_scope.ts";
import { PalyraError } from "../../identity/palyra_error.ts";
import { type Clock, systemClock, type UnixMs } from "../../identity/unix_ms.ts";
import { type Answer, answersTo, type Question } from "./question.ts";
import { newShortId } from "./short_id.ts";
import { visibleText } from "./visible_text.ts";

/** Questions that wait at once; more requests are refused. Below the number of requests that a node usually runs. */
export const MAX_WAITING_QUESTIONS = 16;

/** What is to be asked. */
export interface QuestionDraft {
  readonly capability: string;
  /** What would happen, in full and as it came. */
  readonly summary: string;
  readonly requestedBy: string;
  readonly requestId: string | undefined;
  readonly scope: ConsentScope;
  /** When the question is over, at the latest. */
  readonly expiresAt: UnixMs;
}

/** Where an answer came from. */
export type AnsweredBy = "terminal" | "command" | "rule";

/** How a question ended. */
export type QuestionEnd =
  | { readonly kind: "answered"; readonly answer: Answer; readonly by: AnsweredBy }
  | { readonly kind: "timed_out" }
  /** Nobody waits for the answer any more. */
  | { readonly kind: "withdrawn"; readonly reason: PalyraError };

/** What happens on the desk. */
export type QuestionEvent =
  | { readonly kind: "asked"; readonly question: Question }
  | { readonly kind: "ended"; readonly question: Question; readonly end: QuestionEnd };

interface WaitingQuestion {
  readonly question: Question;
  end(end: QuestionEnd): void;
}

/**
 * The questions that wait for the owner, whoever shows them. Each ends once: by the first answer, by its time-out, or
 * because its request is over.
 */
export class QuestionDesk {
  readonly #clock: Clock;
  readonly #waiting = new Map<string, WaitingQuestion>();
  readonly #watchers = new Set<(event: QuestionEvent) => void>();
  #closed: PalyraError | undefined;

  constructor(clock: Clock = systemClock) {
    this.#clock = clock;
  }

  /** Those that wait, oldest first. */
  get waiting(): Question[] {
    return [...this.#waiting.values()].map(({ question }) => question);
  }

  /**
   * Asks. `onAsked` is called once the question waits. Resolves with the owner's answer; rejects with
   * `mediation_timed_out`, `too_many_questions`, or the signal's reason.
   */
  async ask(draft: QuestionDraft, signal: AbortSignal, onAsked: () => void): Promise<Answer> {
    if (this.#closed !== undefined) throw this.#closed;
    signal.throwIfAborted();
    if (this.#waiting.size >= MAX_WAITING_QUESTIONS) throw tooMany();
    const question: Question = {
      id: newShortId((id) => this.#waiting.has(id)),
      capability: draft.capability,
      summary: visibleText(draft.summary),
      requestedBy: visibleText(draft.requestedBy),
      requestId: draft.requestId,
      scope: draft.scope,
      askedAt: this.#clock(),
      expiresAt: draft.expiresAt,
    };
    const outcome = Promise.withResolvers<QuestionEnd>();
    const end = (by: QuestionEnd) => {
      if (!this.#waiting.delete(question.id)) return;
      outcome.resolve(by);
      this.#tell({ kind: "ended", question, end: by });
    };
    const onAbort = () => end({ kind: "withdrawn", reason: PalyraError.from(signal.reason) });
    const timer = setTimeout(() => end({ kind: "timed_out" }), Math.max(0, question.expiresAt - question.askedAt));
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      this.#waiting.set(question.id, { question, end });
      onAsked();
      this.#tell({ kind: "asked", question });
      return answerOf(await outcome.promise, question);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
    }
  }

  /**
   * Gives the owner's answer. Throws `question_not_found` when the question does not wait, any more or at all, and
   * `invalid_argument` when it does not take this answer.
   */
  answer(id: string, answer: Answer, by: AnsweredBy): void {
    const waiting = this.#waiting.get(id);
    // Timers stand still while a machine sleeps: what is late by the clock is late.
    if (waiting === undefined || waiting.question.expiresAt <= this.#clock()) throw notFound();
    if (!answersTo(waiting.question).includes(answer)) {
      throw new PalyraError(
        "invalid_argument",
        `The answer to a question about ${waiting.question.capability} cannot be remembered beyond this session: ` +
          "answer for once, or for the session.",
      );
    }
    waiting.end({ kind: "answered", answer, by });
  }

  /** Tells `watcher` of each event from now on, in order; it must not throw. The returned function ends that. */
  watch(watcher: (event: QuestionEvent) => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  /** Withdraws every question, and from now on asks none: each ends with `reason`. */
  close(reason: PalyraError): void {
    this.#closed ??= reason;
    for (const { end } of [...this.#waiting.values()]) end({ kind: "withdrawn", reason });
  }

  #tell(event: QuestionEvent): void {
    for (const watcher of [...this.#watchers]) watcher(event);
  }
}

function answerOf(end: QuestionEnd, question: Question): Answer {
  switch (end.kind) {
    case "answered":
      return end.answer;
    case "withdrawn":
      throw end.reason;
    case "timed_out":
      throw new PalyraError(
        "mediation_timed_out",
        `The node's owner was asked about ${question.capability} and did not answer in time; nothing was run. Ask again ` +
          "when somebody is there.",
      );
  }
}

function tooMany(): PalyraError {
  return new PalyraError(
    "too_many_questions",
    `${MAX_WAITING_QUESTIONS} questions wait for the node's owner already; ask again when some are answered.`,
  );
}

function notFound(): PalyraError {
  return new PalyraError(
    "question_not_found",
    "No such question waits: it was answered, ran out, or was withdrawn. `palyra-node requests list` shows those that do.",
  );
}
