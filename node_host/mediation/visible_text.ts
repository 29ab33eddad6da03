// What shows nothing, moves or reorders what is shown, breaks lines, or looks like a space without being one: controls,
// format characters (bidirectional overrides and zero-width ones among them), surrogates, private use and unassigned
// ones, every separator but the plain space, and the letters that are blank.
const INVISIBLE = /[\p{C}\p{Default_Ignorable_Code_Point}\u2800]|(?! )\p{Z}/gu;

// Marks pile up over the lines around them: two on a letter are enough for any script, and none may enclose it.
const STACKED_MARKS = /(?<=\p{M}{2})\p{M}|\p{Me}/gu;

const NOT_ASCII = /[^\x20-\x7e]/gu;

const SHORT_ESCAPES: ReadonlyMap<string, string> = new Map([["\n", "\\n"], ["\r", "\\r"], ["\t", "\\t"]]);

/**
 * `text` in a form in which a person can be asked about it: one line, nothing hidden, nothing that acts on a terminal.
 * Stricter than what is good for names and log lines, since somebody decides by it.
 */
export function visibleText(text: string): string {
  return text.replace(INVISIBLE, escape).replace(STACKED_MARKS, escape);
}

/** `text` spelled in ASCII: every other character as `\u{…}`, so that look-alikes of letters stand out. */
export function spelledText(text: string): string {
  return text.replace(NOT_ASCII, escape);
}

function escape(character: string): string {
  return SHORT_ESCAPES.get(character) ?? `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
}
