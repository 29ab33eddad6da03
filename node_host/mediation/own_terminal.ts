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

/**
 * The terminal that this process was started on; undefined when standard input or output is something else, and for a
 * process that was started in the background (`palyra-node run &`): the system would stop it when it asks.
 */
export function ownTerminal(): QuestionTerminal | undefined {
  if (!Deno.stdin.isTerminal() || !Deno.stdout.isTerminal() || startedInBackground()) return undefined;
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

function startedInBackground(): boolean {
  try {
    return isInBackground(Deno.readTextFileSync("/proc/self/stat"));
  } catch {
    // No Linux, or nobody may look: then it is taken to be where people start programs.
    return false;
  }
}

/** Whether the process of this `/proc/<pid>/stat` is in another process group than the one its terminal listens to. */
export function isInBackground(stat: string): boolean {
  // The name before the last bracket may hold anything.
  const [, , group, , , terminalGroup] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return group !== undefined && terminalGroup !== undefined && group !== terminalGroup;
}
