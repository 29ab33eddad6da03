import type { AdminClient } from "../../daemon/admin_client.ts";
import type { RequestView } from "../../proto/gen/admin.ts";

/** What came of one request. */
export interface RequestOutcome {
  /** Its input. */
  readonly number: number;
  readonly view: RequestView;
  readonly tookMs: number;
}

/** How requests are sent. */
export interface RequestStreamOptions {
  readonly node: string;
  /** How many wait for an answer at once. */
  readonly inFlight: number;
  /** Whether to send another, given how many were sent. Not asked any more when one has failed. */
  readonly goesOn: (sent: number) => boolean;
  /** What each input is filled up to with blanks, in bytes. Default: nothing. */
  readonly inputBytes?: number;
  /** How long one may take, in milliseconds. Default: a minute. */
  readonly timeoutMs?: number;
}

/**
 * Sends `echo` with the numbers from 0 on as input, so many at once, and waits for every answer. When one fails, no more
 * are sent.
 */
export async function streamRequests(admin: AdminClient, options: RequestStreamOptions): Promise<RequestOutcome[]> {
  const { node, inFlight, goesOn, inputBytes = 0, timeoutMs = 60_000 } = options;
  const outcomes: RequestOutcome[] = [];
  let sent = 0;
  let failed = false;
  const sender = async () => {
    while (!failed && goesOn(sent)) {
      const number = sent++;
      const began = performance.now();
      // deno-lint-ignore no-await-in-loop -- each sender has one request under way
      const view = await admin.execute({
        deviceId: node,
        capability: "echo",
        inputJson: new TextEncoder().encode(String(number).padStart(inputBytes)),
        maxPayloadBytes: 0,
        timeoutMs,
        idempotencyKey: "",
      });
      failed ||= view.state !== "succeeded";
      outcomes.push({ number, view, tookMs: performance.now() - began });
    }
  };
  await Promise.all(Array.from({ length: inFlight }, sender));
  return outcomes;
}

/** The numbers whose request did not succeed with its own input as the answer. */
export function wrongAnswers(outcomes: readonly RequestOutcome[]): number[] {
  const answered = ({ number, view }: RequestOutcome) =>
    view.state === "succeeded" && JSON.parse(new TextDecoder().decode(view.outputJson)).echo === number;
  return outcomes.filter((outcome) => !answered(outcome)).map(({ number }) => number);
}

/** The inputs that did not run exactly once. */
export function notRunOnce(outcomes: readonly RequestOutcome[], runs: ReadonlyMap<number, number>): number[] {
  return outcomes.map(({ number }) => number).filter((number) => runs.get(number) !== 1);
}
