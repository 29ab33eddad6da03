import { join } from "node:path";
import * as v from "valibot";
import type { UnixMs } from "../identity/unix_ms.ts";
import { readStateDocument, removeStateDocument, writeStateDocument } from "./state_document.ts";
import { Moment, SchemaVersion } from "./state_fields.ts";

/** The process that runs the node host: `node-host-process.json`. */
export interface NodeHostProcess {
  readonly pid: number;
  /** When the system started it, in the system's own count; undefined where the system does not tell. */
  readonly processStartTime: string | undefined;
  readonly startedAt: UnixMs;
}

const ProcessSchema = v.object({
  schema_version: SchemaVersion,
  pid: v.pipe(v.number(), v.safeInteger(), v.minValue(1)),
  process_start_time: v.nullable(v.pipe(v.string(), v.regex(/^[0-9]{1,20}$/))),
  started_at_unix_ms: Moment,
});

// What StateLock of transport/program locks while a host runs.
const LOCK_FILE = "state.lock";
// Of proc(5), `/proc/<pid>/stat`: the third field and the 22nd; the first two end at the last closing bracket.
const STATE_FIELD_AFTER_NAME = 0;
const START_TIME_FIELD_AFTER_NAME = 19;
const DEAD_STATES: readonly (string | undefined)[] = ["Z", "X"];

/** Notes this process as the one that runs the host. */
export async function writeNodeHostProcess(folder: string, startedAt: UnixMs): Promise<void> {
  await writeStateDocument(processPath(folder), {
    pid: Deno.pid,
    process_start_time: startTimeOf(Deno.pid) ?? null,
    started_at_unix_ms: startedAt,
  });
}

/** Removes the note. */
export async function removeNodeHostProcess(folder: string): Promise<void> {
  await removeStateDocument(processPath(folder));
}

/**
 * The process that runs the host now; undefined when none does. A process of the same number that started at another
 * time is another one; where the system does not tell start times, the lock on the folder decides. Changes nothing.
 */
export async function findNodeHostProcess(folder: string): Promise<NodeHostProcess | undefined> {
  const stored = await readStateDocument(processPath(folder), ProcessSchema);
  if (stored === undefined) return undefined;
  const noted = stored.process_start_time ?? undefined;
  const found = noted === undefined ? undefined : startTimeOf(stored.pid);
  const runs = noted !== undefined && startTimeOf(Deno.pid) !== undefined ? found === noted : isLocked(folder);
  if (!runs) return undefined;
  return { pid: stored.pid, processStartTime: noted, startedAt: stored.started_at_unix_ms };
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

function isLocked(folder: string): boolean {
  const exclusive = false;
  try {
    using file = Deno.openSync(join(folder, LOCK_FILE), { read: true });
    const free = file.tryLockSync(exclusive);
    if (free) file.unlockSync();
    return !free;
  } catch {
    return false;
  }
}

function processPath(folder: string): string {
  return join(folder, "node-host-process.json");
}
