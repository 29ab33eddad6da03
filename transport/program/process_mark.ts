import { isStateHeldBy } from "./state_lock.ts";

/** A process, told apart from a later one that got the same number. */
export interface ProcessMark {
  readonly pid: number;
  /** When the system started it, in the system's own count; undefined where the system does not tell. */
  readonly startTime: string | undefined;
}

// Of proc(5), `/proc/<pid>/stat`: the third field and the 22nd; the first two end at the last closing bracket.
const STATE_FIELD_AFTER_NAME = 0;
const START_TIME_FIELD_AFTER_NAME = 19;
const DEAD_STATES: readonly (string | undefined)[] = ["Z", "X"];

/** The mark of this process, for its process file. */
export function ownProcessMark(): ProcessMark {
  return { pid: Deno.pid, startTime: startTimeOf(Deno.pid) };
}

/**
 * Whether that very process still runs. A process of the same number that started at another time is another one; where
 * the system does not tell start times (or Deno may not ask: /proc takes `--allow-all`), the lock on the program's state
 * folder decides. Changes nothing.
 */
export function isProcessRunning(mark: ProcessMark, stateFolder: string): boolean {
  const told = mark.startTime !== undefined && startTimeOf(Deno.pid) !== undefined;
  return told ? startTimeOf(mark.pid) === mark.startTime : isStateHeldBy(stateFolder, mark.pid);
}

/** When the system started a process, in clock ticks since the machine's start; undefined where it does not tell. */
function startTimeOf(pid: number): string | undefined {
  if (Deno.build.os !== "linux") return undefined;
  try {
    const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return DEAD_STATES.includes(fields[STATE_FIELD_AFTER_NAME]) ? undefined : fields[START_TIME_FIELD_AFTER_NAME];
  } catch {
    // No such process, or no permission to look.
    return undefined;
  }
}
