import { PalyraError } from "../../identity/palyra_error.ts";
import type { RequestEvent, RequestView } from "../../proto/gen/admin.ts";
import type { Progress } from "../../proto/gen/node.ts";
import { reportLine } from "../../transport/program/cli_output.ts";
import { printableText } from "../../transport/program/printable_text.ts";
import { shutdownSignal } from "../../transport/program/shutdown_signals.ts";
import type { AdminClient } from "../admin_client.ts";
import { RequestStatusLine } from "./request_status_line.ts";

const utf8 = new TextDecoder();

/** The last progress that was seen of a request. */
export interface SeenProgress {
  attempt: number;
  sequence: number;
}

/** How {@linkcode followRequest} tells what it sees. */
export interface FollowingOptions {
  /** Whether a terminal shows a line that is always up to date. */
  readonly live: boolean;
  /** Progress that was seen before. */
  readonly seen: SeenProgress;
  onState(request: RequestView): void;
  onProgress(progress: Progress): void;
}

/**
 * Follows a request to its end and resolves with it then. Ctrl-C leaves the request as it is: it throws `cancelled`, and
 * says how to go on. A connection that is lost throws what was lost, and says the same.
 */
export async function followRequest(
  admin: AdminClient,
  requestId: string,
  { live, seen, onState, onProgress }: FollowingOptions,
): Promise<RequestView> {
  using interrupted = shutdownSignal();
  using line = new RequestStatusLine(live);
  const cursor = { requestId, afterAttempt: seen.attempt, afterSequence: seen.sequence };
  let newest: RequestView | undefined;
  const take = ({ event }: RequestEvent) => {
    line.clear();
    if (event?.$case === "state") {
      newest = event.value;
      onState(newest);
      line.state = newest.state;
    } else if (event?.$case === "progress") {
      seen.attempt = event.value.attempt?.attempt ?? 0;
      seen.sequence = event.value.sequence;
      onProgress(event.value);
      line.progress = utf8.decode(event.value.payloadJson);
    }
  };
  try {
    for await (const event of admin.watch(cursor, interrupted.signal)) take(event);
  } catch (failure) {
    line[Symbol.dispose]();
    if (newest?.completedAtUnixMs === 0) tellHowToGoOn(requestId, seen);
    throw failure;
  }
  if (newest === undefined || newest.completedAtUnixMs === 0) {
    tellHowToGoOn(requestId, seen);
    throw new PalyraError("connection_lost", "The daemon stopped telling about the request before its end.");
  }
  return newest;
}

/** A plain line on standard error for who does not look at a terminal: what a person would want to know meanwhile. */
export function reportWaiting(request: RequestView): void {
  if (request.state === "awaiting_local_mediation") reportLine("waiting: the node's owner is asked");
}

/** The same for progress. */
export function reportProgress({ payloadJson }: Progress): void {
  reportLine(`progress: ${printableText(utf8.decode(payloadJson))}`);
}

function tellHowToGoOn(requestId: string, { attempt, sequence }: SeenProgress): void {
  const after = attempt === 0 ? "" : ` --after ${attempt}/${sequence}`;
  reportLine(`The request goes on. See its end: palyrad requests watch ${requestId}${after}`);
  reportLine(`To end it: palyrad requests cancel ${requestId}`);
}
