/** A message of a failure in its two parts, each a sentence. */
export interface CauseAndCure {
  readonly cause: string;
  /** Empty when the message names none. */
  readonly cure: string;
}

/** Where the cure begins, the surest sign first: after a sentence, after a semicolon, after a colon. */
const BOUNDARIES: readonly RegExp[] = [/[.!?] (?=[\p{Lu}`"'(])/u, /; /, /: /];

/**
 * Takes a message of a `PalyraError` apart, which names the cause first and the cure after it: the house writes them as two
 * sentences, or as one with a semicolon or a colon between.
 */
export function causeAndCure(message: string): CauseAndCure {
  for (const boundary of BOUNDARIES) {
    const found = boundary.exec(message);
    if (found === null) continue;
    return {
      cause: sentence(message.slice(0, found.index)),
      cure: sentence(message.slice(found.index + found[0].length)),
    };
  }
  return { cause: sentence(message), cure: "" };
}

function sentence(text: string): string {
  const trimmed = text.trim();
  // A command or a path keeps its case: it is no word.
  const begun = /^\p{Ll}+[ ,]/u.test(trimmed) ? trimmed.charAt(0).toUpperCase() + trimmed.slice(1) : trimmed;
  return /[.!?]$/.test(begun) ? begun : `${begun}.`;
}
