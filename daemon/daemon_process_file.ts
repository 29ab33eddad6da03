import { join } from "node:path";
import * as v from "valibot";
import { writeFileAtomically } from "../identity/atomic_file.ts";
import type { UnixMs } from "../identity/unix_ms.ts";
import { isProcessRunning, ownProcessMark, type ProcessMark } from "../transport/program/process_mark.ts";

const FILE = "palyrad-process.json";

const ProcessShape = v.object({
  schema_version: v.literal(1),
  pid: v.pipe(v.number(), v.safeInteger(), v.minValue(1)),
  process_start_time: v.optional(v.pipe(v.string(), v.regex(/^[0-9]{1,20}$/))),
  started_at_unix_ms: v.number(),
  node_rpc: v.string(),
  enrolment: v.optional(v.string()),
});

/** Where a running daemon is reached on this machine. */
export interface DaemonProcess extends ProcessMark {
  readonly startedAt: number;
  /** `host:port`. */
  readonly nodeRpc: string;
  readonly enrolment: string | undefined;
}

/** Tells the operator's commands where the daemon of this state folder listens. */
export async function writeDaemonProcess(
  folder: string,
  process: { startedAt: UnixMs; nodeRpc: string; enrolment: string | undefined },
): Promise<void> {
  const { pid, startTime } = ownProcessMark();
  const content = {
    schema_version: 1,
    pid,
    ...(startTime !== undefined && { process_start_time: startTime }),
    started_at_unix_ms: process.startedAt,
    node_rpc: process.nodeRpc,
    ...(process.enrolment !== undefined && { enrolment: process.enrolment }),
  };
  await writeFileAtomically(join(folder, FILE), new TextEncoder().encode(`${JSON.stringify(content, null, 2)}\n`));
}

/** The daemon that wrote last; undefined when none runs, or the file says nothing sensible. */
export async function readDaemonProcess(folder: string): Promise<DaemonProcess | undefined> {
  try {
    const parsed = v.safeParse(ProcessShape, JSON.parse(await Deno.readTextFile(join(folder, FILE))));
    if (!parsed.success) return undefined;
    const { pid, process_start_time, started_at_unix_ms, node_rpc, enrolment } = parsed.output;
    return { pid, startTime: process_start_time, startedAt: started_at_unix_ms, nodeRpc: node_rpc, enrolment };
  } catch (error) {
    // A daemon that runs rewrites it; without one there is nothing to find.
    if (error instanceof Deno.errors.NotFound || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** The daemon that runs now, by {@linkcode isProcessRunning}; undefined when none does. Changes nothing. */
export async function findDaemonProcess(folder: string): Promise<DaemonProcess | undefined> {
  const process = await readDaemonProcess(folder);
  return process !== undefined && isProcessRunning(process, folder) ? process : undefined;
}

/** Removes it when the daemon stops. */
export async function removeDaemonProcess(folder: string): Promise<void> {
  await Deno.remove(join(folder, FILE)).catch((error: unknown) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
}
