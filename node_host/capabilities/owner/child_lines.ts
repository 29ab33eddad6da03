import { PalyraError } from "../../../identity/palyra_error.ts";
import type { PrintBudget } from "./print_budget.ts";

/** The longest line of a child, in characters: an output of the largest size and the words around it. */
export const MAX_CHILD_LINE_CHARACTERS: number = 1024 * 1024 + 1_024;

/**
 * Hands each line of a child's output to `onLine`, without its end; empty ones are left out, and what is no UTF-8 is
 * replaced. Resolves at the output's end and when the reader is cancelled. Rejects with `execution_failed` when a line is
 * too long or the budget is used up, and with what `onLine` throws.
 */
export async function readChildLines(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  budget: PrintBudget,
  onLine: (line: string) => void,
): Promise<void> {
  const decoder = new TextDecoder();
  let rest = "";
  const take = (line: string) => {
    if (line.length > MAX_CHILD_LINE_CHARACTERS || !budget.take(line.length)) throw flooded();
    if (line !== "") onLine(line);
  };
  for (;;) {
    // deno-lint-ignore no-await-in-loop -- each read goes on where the one before ended
    const { value, done } = await reader.read();
    if (done) return rest === "" ? undefined : take(rest);
    // Only what is new is looked through: a child that writes byte by byte costs no more than one that does not.
    const [end = "", ...further] = decoder.decode(value, { stream: true }).split("\n");
    rest += end;
    for (const line of further) {
      take(rest);
      rest = line;
    }
    if (rest.length > MAX_CHILD_LINE_CHARACTERS) throw flooded();
  }
}

function flooded(): PalyraError {
  return new PalyraError("execution_failed", "The capability printed more than one may; it was stopped.");
}
