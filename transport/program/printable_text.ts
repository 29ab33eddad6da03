// Control characters (C0, DEL, C1), line separators, and the marks that reorder or hide text on a terminal.
const UNPRINTABLE = /[\p{Cc}\u061c\u200b\u200e\u200f\u2028\u2029\u202a-\u202e\u2060-\u2069\ufeff]/gu;

const SHORT_ESCAPES: ReadonlyMap<string, string> = new Map([["\n", "\\n"], ["\r", "\\r"], ["\t", "\\t"]]);

/**
 * `text` with every character made visible that could move the cursor, colour the terminal, reorder the line or start a
 * new one. For names, messages and values that came from elsewhere.
 */
export function printableText(text: string): string {
  return text.replace(
    UNPRINTABLE,
    (found) => SHORT_ESCAPES.get(found) ?? `\\u{${(found.codePointAt(0) ?? 0).toString(16)}}`,
  );
}
