import { type Colours, coloursFor, terminalWidth } from "../../transport/program/mod.ts";
import { writeBytes } from "../../transport/program/sync_writer.ts";
import { DEFAULT_WIDTH } from "./question_lines.ts";

/** The terminal that a question is asked on. */
export interface QuestionTerminal {
  /** In cells. */
  readonly width: number;
  readonly colours: Colours;
  /** Writes before it returns. */
  write(text: string): void;
  /** Whether keys come one by one and unseen. Ctrl-C stays a signal. */
  setRaw(raw: boolean): void;
  /** The next keys; undefined when the terminal is gone. Only one call may wait at a time. */
  read(): Promise<string | undefined>;
}

const MOST_KEYS_BYTES = 1_024;

/** The terminal that this process was started on; undefined when standard input or output is something else. */
export function ownTerminal(): QuestionTerminal | undefined {
  if (!Deno.stdin.isTerminal() || !Deno.stdout.isTerminal()) return undefined;
  const encoder = new TextEncoder();
  const decoder = new TextDecoder();
  const keys = new Uint8Array(MOST_KEYS_BYTES);
  return {
    get width() {
      return terminalWidth() ?? DEFAULT_WIDTH;
    },
    colours: coloursFor(Deno.stdout),
    write: (text) => void writeBytes(Deno.stdout, encoder.encode(text)),
    setRaw: (raw) => Deno.stdin.setRaw(raw, { cbreak: raw }),
    async read() {
      const count = await Deno.stdin.read(keys);
      return count === null ? undefined : decoder.decode(keys.subarray(0, count), { stream: true });
    },
  };
}
