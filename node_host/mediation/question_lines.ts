import { type Colours, PLAIN } from "../../transport/program/mod.ts";
import { type Answer, answersTo, type Question, scopeText } from "./question.ts";
import { spelledText, visibleText } from "./visible_text.ts";

/** Lines are laid out for this width where there is no terminal to ask. */
export const DEFAULT_WIDTH = 80;

const NARROWEST_WIDTH = 20;
const LABEL_WIDTH = 12;
const MARGIN = "  ";

/** How a question is laid out. */
export interface QuestionLayout {
  /** In terminal cells. */
  readonly width: number;
  readonly colours: Colours;
}

/**
 * A question as people read it: who asks, for what, and what exactly would happen, in full. Every line begins with a
 * margin and is broken here and not by the terminal, so that nothing in the question can pass for a line of ours.
 */
export function questionLines(question: Question, layout: Partial<QuestionLayout> = {}): string[] {
  const { bold, yellow } = layout.colours ?? PLAIN;
  const width = Math.max(layout.width ?? DEFAULT_WIDTH, NARROWEST_WIDTH);
  const spelled = spelledText(question.summary);
  return [
    ...fieldLines("question", question.id, width, bold),
    ...fieldLines("asked by", question.requestedBy, width),
    ...(question.requestId === undefined ? [] : fieldLines("request", question.requestId, width)),
    ...fieldLines("capability", question.capability, width, bold),
    ...fieldLines("would", question.summary, width, yellow),
    // Letters that look alike, and words that a terminal shows from right to left, are told apart by this.
    ...(spelled === question.summary ? [] : fieldLines("spelled", spelled, width)),
  ];
}

/** What each answer means, one a line. `letterOf` names the key of each; without it the answer itself is shown. */
export function answerLines(question: Question, letterOf: (answer: Answer) => string, width: number): string[] {
  const scope = visibleText(scopeText(question.scope));
  const meanings: Readonly<Record<Answer, string>> = {
    once: "yes, this once",
    session: `yes, until palyra-node stops: ${scope}`,
    always: `yes, always: ${scope}`,
    no: "no",
    never: `no, never again: ${scope}`,
  };
  return answersTo(question).flatMap((answer) => fieldLines(letterOf(answer), meanings[answer], width));
}

const unpainted = (text: string) => text;

/** A labelled text, broken as {@linkcode questionLines} breaks it. The text must be safe to show. */
export function fieldLines(
  label: string,
  text: string,
  width: number,
  paint: (text: string) => string = unpainted,
): string[] {
  const room = Math.max(width, NARROWEST_WIDTH) - MARGIN.length - LABEL_WIDTH;
  const blank = " ".repeat(LABEL_WIDTH);
  return brokenToWidth(text, room).map((part, at) =>
    `${MARGIN}${at === 0 ? label.padEnd(LABEL_WIDTH) : blank}${paint(part)}`
  );
}

const ASCII_CELLS = 1;
// Terminals disagree on how wide a character is, and one that is wider than thought would have them break the line.
const MOST_CELLS = 2;
const MARK = /^\p{M}$/u;

/** `text` in parts that take at most `width` cells on any terminal; together they are the whole text. */
export function brokenToWidth(text: string, width: number): string[] {
  const parts: string[] = [];
  let part = "";
  let cells = 0;
  for (const character of text) {
    const more = character <= "\x7e" ? ASCII_CELLS : MOST_CELLS;
    if (cells + more > width && part !== "" && !MARK.test(character)) {
      parts.push(part);
      part = "";
      cells = 0;
    }
    part += character;
    cells += more;
  }
  return [...parts, part];
}
