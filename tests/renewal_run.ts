import type { AdminClient } from "../daemon/admin_client.ts";
import type { TransportName } from "../transport/session.ts";
import { InProcessDaemon } from "./harness/in_process_daemon.ts";
import { RestartedNode } from "./harness/restarted_node.ts";
import { within } from "./harness/within.ts";

/** How a run goes. */
export interface RenewalRunOptions {
  readonly transport: TransportName;
  /** Life of each of the node's certificates, in milliseconds. */
  readonly lifeMs: number;
  /** The run ends after so many renewals and not before this time, in milliseconds. */
  readonly renewals: number;
  readonly durationMs: number;
}

/** What a run came to. */
export interface RenewalReport {
  readonly requests: number;
  /** What went wrong with requests, one text for each. */
  readonly failures: readonly string[];
  readonly longestRequestMs: number;
  readonly renewals: number;
  readonly sessions: number;
  /** Why sessions ended, but for the last. */
  readonly ends: readonly string[];
  readonly recoveries: number;
  /** Certificates that would still let the node in. */
  readonly validCertificates: number;
  readonly tookMs: number;
}

/** How the daemon words that a node has ended its session in order. */
export const PLANNED_END = "shutting_down";

const LOOPS = 4;
const PATIENCE_MS = 30_000;

/** Runs a node whose certificates live very shortly, with work going on all the time. */
export async function runRenewals(options: RenewalRunOptions): Promise<RenewalReport> {
  const { transport, lifeMs, renewals, durationMs } = options;
  await using daemon = await InProcessDaemon.start();
  await using node = await RestartedNode.enrol(daemon, lifeMs);
  // The operator's certificate is from the first start: it is not what is looked at.
  await daemon.restart({ PALYRA_CERTIFICATE_VALIDITY_MS: String(lifeMs) });
  const { operator } = daemon;
  const { deviceId } = node;
  await node.start({ transport });
  await within(PATIENCE_MS, "the first session", node.connected());
  const began = performance.now();
  const over = new AbortController();
  const work = Promise.all(Array.from({ length: LOOPS }, () => workUntil(over.signal, operator, deviceId)));
  const events = { renewals: 0, sessions: 0, ends: [] as string[] };
  for await (const event of operator.readEvents({ deviceId, follow: true, afterSequence: undefined })) {
    if (event.name === "certificate.renewed") events.renewals += 1;
    if (event.name === "session.opened") events.sessions += 1;
    if (event.name === "session.closed") {
      events.ends.push(JSON.parse(new TextDecoder().decode(event.payloadJson)).reason_code);
    }
    const { renewals: renewed, sessions, ends } = events;
    // Once the newest is in use, so that no renewal is half done.
    const isSettled = sessions === renewed + 1 && ends.length === renewed;
    if (isSettled && renewed >= renewals && performance.now() - began >= durationMs) break;
  }
  const tookMs = performance.now() - began;
  over.abort();
  const done = await work;
  const device = await operator.getDevice({ deviceId });
  return {
    requests: done.reduce((total, { requests }) => total + requests, 0),
    failures: done.flatMap(({ failures }) => failures),
    longestRequestMs: Math.max(...done.map(({ longestMs }) => longestMs)),
    ...events,
    recoveries: device.recoveryCount,
    validCertificates: device.certificates.filter(({ revoked }) => !revoked).length,
    tookMs,
  };
}

async function workUntil(over: AbortSignal, operator: AdminClient, deviceId: string) {
  const failures: string[] = [];
  let requests = 0;
  let longestMs = 0;
  while (!over.aborted) {
    const inputJson = new TextEncoder().encode(JSON.stringify({ text: String(requests) }));
    const began = performance.now();
    try {
      // deno-lint-ignore no-await-in-loop -- one request after the other
      const { state, error } = await operator.execute({ deviceId, capability: "echo", inputJson, timeoutMs: 20_000 });
      if (state !== "succeeded") failures.push(`${state}: ${error}`);
    } catch (error) {
      failures.push(String(error));
    }
    requests += 1;
    longestMs = Math.max(longestMs, performance.now() - began);
    // The machine has other things to do.
    // deno-lint-ignore no-await-in-loop -- one request after the other
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return { requests, failures, longestMs };
}
