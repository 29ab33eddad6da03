// Control, format (bidirectional overrides among them), surrogate, private-use and unassigned characters, and the two
// separators that break lines.
const UNPRINTABLE = /[\p{C}\p{Zl}\p{Zp}]/gu;

/**
 * Text from a peer in a form that is safe in a terminal and a log: unprintable characters become `?`, and what exceeds
 * `maxCharacters` is cut and ends in `…`.
 */
export function printableText(text: string, maxCharacters: number): string {
  // Cut first, so that a megabyte is not scanned for the sake of a few characters.
  const head = Array.from(text.slice(0, maxCharacters * 2 + 2));
  const kept = head.length > maxCharacters ? [...head.slice(0, maxCharacters - 1), "…"] : head;
  return kept.join("").replaceAll(UNPRINTABLE, "?");
}
