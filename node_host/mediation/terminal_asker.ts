import { getLogger } from "@logtape/logtape";
import { PalyraError } from "../../identity/palyra_error.ts";
import { type Clock, systemClock } from "../../identity/unix_ms.ts";
import { truncateToWidth } from "../../transport/program/display_width.ts";
import { SecretLine } from "../../transport/program/secret_line.ts";
import type { QuestionTerminal } from "./own_terminal.ts";
import { type Answer, answersTo, type Question } from "./question.ts";
import type { QuestionDesk, QuestionEnd, QuestionEvent } from "./question_desk.ts";
import { answerLines, fieldLines, questionLines } from "./question_lines.ts";
import { visibleText } from "./visible_text.ts";

const logger = getLogger(["palyra", "node_host", "mediation"]);

/**
 * No key must have come for this long since a question was shown before one counts, in milliseconds: what somebody was
 * typing into something else is no answer.
 */
const QUIET_MS = 700;

const TICK_MS = 250;
const MAX_TYPED_CHARACTERS = 16;
const ENTER = /[\r\n]/;
// Carriage return, then ECMA-48 EL: erases the line that the cursor is in.
const CLEAR_LINE = "\r\x1b[K";

const LETTERS: Readonly<Record<Answer, string>> = { once: "y", session: "s", always: "a", no: "n", never: "v" };

/** What {@linkcode TerminalAsker} needs. */
export interface TerminalAskerOptions {
  readonly desk: QuestionDesk;
  readonly terminal: QuestionTerminal;
  /** Whose requests these are: `the daemon at gateway:7444`. */
  readonly asker: string;
  readonly clock?: Clock;
}

/** The question on the terminal. */
interface ShownQuestion {
  readonly question: Question;
  line: SecretLine;
  /** From then on, by `performance.now()`, keys count. */
  quietFrom: number;
  prompted: boolean;
  shownPrompt: string;
}

/**
 * Asks on the terminal, one question at a time; the others wait for their turn. A question that is answered elsewhere, or
 * is over, makes room for the next.
 */
export class TerminalAsker implements Disposable {
  readonly #options: TerminalAskerOptions;
  readonly #clock: Clock;
  readonly #unwatch: () => void;
  #shown: ShownQuestion | undefined;
  #tick: ReturnType<typeof setInterval> | undefined;
  #reading = false;
  #gone = false;

  constructor(options: TerminalAskerOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#unwatch = options.desk.watch((event) => this.#onEvent(event));
  }

  /** Whether there still is a terminal to ask on. */
  get isAttending(): boolean {
    return !this.#gone;
  }

  /** Asks no more, and leaves the terminal as it was. */
  [Symbol.dispose](): void {
    this.#unwatch();
    this.#takeAway();
  }

  #onEvent(event: QuestionEvent): void {
    if (this.#gone) return;
    this.#guarded(() => {
      if (event.kind === "asked") {
        if (this.#shown === undefined) this.#show(event.question);
      } else if (event.question.id === this.#shown?.question.id) {
        this.#shown = undefined;
        this.#options.terminal.write(`${CLEAR_LINE}  ${endText(event.end)}\n`);
        const [next] = this.#options.desk.waiting;
        if (next === undefined) this.#takeAway();
        else this.#show(next);
      }
    });
  }

  #show(question: Question): void {
    const { terminal, asker, desk } = this.#options;
    const { width, colours } = terminal;
    const others = desk.waiting.length - 1;
    terminal.setRaw(true);
    const lines = [
      "",
      colours.bold(others > 0 ? `Your consent is needed; ${others} more wait.` : "Your consent is needed."),
      ...fieldLines("from", visibleText(asker), width),
      ...questionLines(question, { width, colours }),
      ...answerLines(question, (answer) => LETTERS[answer], width),
    ];
    terminal.write(`${lines.join("\n")}\n`);
    this.#shown = {
      question,
      line: new SecretLine(MAX_TYPED_CHARACTERS),
      quietFrom: performance.now() + QUIET_MS,
      prompted: false,
      shownPrompt: "",
    };
    this.#tick ??= setInterval(() => this.#guarded(() => this.#redraw()), TICK_MS);
    if (!this.#reading) void this.#readKeys();
  }

  /** Nothing is asked: the terminal is as it was. */
  #takeAway(): void {
    clearInterval(this.#tick);
    this.#tick = undefined;
    this.#shown = undefined;
    if (!this.#reading || this.#gone) return;
    this.#guarded(() => this.#options.terminal.setRaw(false));
  }

  /** Goes on while nothing is asked, since a read cannot be called off; what comes then is dropped. */
  async #readKeys(): Promise<void> {
    this.#reading = true;
    for (;;) {
      // deno-lint-ignore no-await-in-loop -- keys come one after the other
      const typed = await this.#options.terminal.read().catch(() => undefined);
      if (typed === undefined) return this.#lose(undefined);
      this.#guarded(() => this.#take(typed));
    }
  }

  #take(typed: string): void {
    const shown = this.#shown;
    if (shown === undefined) return;
    const enter = typed.search(ENTER);
    // What goes on behind the end of the line was pasted or typed for something else.
    const stray = !shown.prompted || enter >= 0 && enter < typed.length - 1;
    if (stray) {
      shown.quietFrom = performance.now() + QUIET_MS;
      shown.prompted = false;
      shown.shownPrompt = "";
      shown.line = new SecretLine(MAX_TYPED_CHARACTERS);
      return;
    }
    switch (shown.line.type(typed)) {
      case "typing":
        return this.#redraw();
      case "cancelled":
        shown.line = new SecretLine(MAX_TYPED_CHARACTERS);
        return this.#redraw();
      case "entered":
        return this.#enter(shown);
    }
  }

  #enter(shown: ShownQuestion): void {
    const typed = (shown.line.text ?? "").trim().toLowerCase();
    const answer = answersTo(shown.question).find((each) => LETTERS[each] === typed || each === typed);
    if (answer !== undefined) return this.#options.desk.answer(shown.question.id, answer, "terminal");
    shown.line = new SecretLine(MAX_TYPED_CHARACTERS);
    shown.shownPrompt = "";
    this.#options.terminal.write(`${CLEAR_LINE}  That is no answer.\n`);
    this.#redraw();
  }

  #redraw(): void {
    const shown = this.#shown;
    if (shown === undefined) return;
    shown.prompted ||= performance.now() >= shown.quietFrom;
    if (!shown.prompted) return;
    const { terminal } = this.#options;
    const prompt = truncateToWidth(promptText(shown, this.#clock()), terminal.width - 1);
    if (prompt === shown.shownPrompt) return;
    shown.shownPrompt = prompt;
    terminal.write(`${CLEAR_LINE}${prompt}`);
  }

  /** A terminal that fails is one that has gone; the questions wait for an answer from elsewhere. */
  #guarded(work: () => void): void {
    try {
      work();
    } catch (error) {
      // A question may end while its answer is being typed.
      if (error instanceof PalyraError && error.code === "question_not_found") return;
      this.#lose(error);
    }
  }

  #lose(error: unknown): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#takeAway();
    logger.warning("The terminal is gone: questions are answered with `palyra-node requests` now.", { error });
  }
}

function promptText({ question, line }: ShownQuestion, now: number): string {
  const letters = answersTo(question).map((answer) => LETTERS[answer]);
  const seconds = Math.max(0, Math.ceil((question.expiresAt - now) / 1_000));
  const left = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  const choice = `${letters.slice(0, -1).join(", ")} or ${letters.at(-1)}`;
  return `  ${choice}, then Enter (no answer in ${left} means no): ${visibleText(line.text ?? "…")}`;
}

function endText(end: QuestionEnd): string {
  switch (end.kind) {
    case "timed_out":
      return "No answer: it does not run.";
    case "withdrawn":
      return "Withdrawn: nobody waits for the answer any more.";
    case "answered":
      return `${end.by === "command" ? "Answered by a command" : "Answered"}: ${end.answer}.`;
  }
}
