import { join } from "node:path";
import * as v from "valibot";
import type { UnixMs } from "../identity/unix_ms.ts";
import { isProcessRunning, ownProcessMark, type ProcessMark } from "../transport/program/process_mark.ts";
import { readStateDocument, removeStateDocument, writeStateDocument } from "./state_document.ts";
import { Moment, SchemaVersion } from "./state_fields.ts";

/** The process that runs the node host: `node-host-process.json`. */
export interface NodeHostProcess extends ProcessMark {
  readonly startedAt: UnixMs;
}

const ProcessSchema = v.object({
  schema_version: SchemaVersion,
  pid: v.pipe(v.number(), v.safeInteger(), v.minValue(1)),
  process_start_time: v.nullable(v.pipe(v.string(), v.regex(/^[0-9]{1,20}$/))),
  started_at_unix_ms: Moment,
});

/** Notes this process as the one that runs the host. */
export async function writeNodeHostProcess(folder: string, startedAt: UnixMs): Promise<void> {
  const { pid, startTime } = ownProcessMark();
  await writeStateDocument(processPath(folder), {
    pid,
    process_start_time: startTime ?? null,
    started_at_unix_ms: startedAt,
  });
}

/** Removes the note. */
export async function removeNodeHostProcess(folder: string): Promise<void> {
  await removeStateDocument(processPath(folder));
}

/** The process that was noted last and did not take its note away: it runs, or it was killed. */
export async function readNodeHostProcess(folder: string): Promise<NodeHostProcess | undefined> {
  const stored = await readStateDocument(processPath(folder), ProcessSchema);
  if (stored === undefined) return undefined;
  const { pid, process_start_time: startTime, started_at_unix_ms: startedAt } = stored;
  return { pid, startTime: startTime ?? undefined, startedAt };
}

/** The process that runs the host now, by {@linkcode isProcessRunning}; undefined when none does. Changes nothing. */
export async function findNodeHostProcess(folder: string): Promise<NodeHostProcess | undefined> {
  const process = await readNodeHostProcess(folder);
  return process !== undefined && isProcessRunning(process, folder) ? process : undefined;
}

function processPath(folder: string): string {
  return join(folder, "node-host-process.json");
}
