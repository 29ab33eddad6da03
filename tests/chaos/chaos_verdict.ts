import { hasEnded, isRequestState } from "../../daemon/request_state.ts";
import { type Effect, ONCE, REPEATABLE } from "./chaos_capability.ts";
import { AMPLE_MS, mayBeForgotten } from "./chaos_order.ts";
import { type DisasterLog, NOTICED_WITHIN_MS } from "./disaster_log.ts";
import type { BookedRequest } from "./request_book.ts";
import type { StoredRequest } from "./stored_request.ts";

/** A dispatch that a broken link held back may still start so long after its deadline, in milliseconds. */
const LATE_START_MS = 8_000;

/** Everything that is known at the end of a chaos run. */
export interface ChaosEvidence {
  /** What the clients know, by number. */
  readonly booked: ReadonlyMap<number, BookedRequest>;
  readonly stored: readonly StoredRequest[];
  /** What runs have left behind, by node. */
  readonly effects: ReadonlyMap<string, { readonly once: readonly Effect[]; readonly repeatable: readonly Effect[] }>;
  readonly disasters: Pick<DisasterLog, "diedBetween" | "brokeBetween">;
}

/** What is wrong with it, a line each; empty when every promise was kept (design section 5). */
export function judge(evidence: ChaosEvidence): string[] {
  const byNumber = Map.groupBy(evidence.stored, ({ number }) => number);
  const runs = runsByNumber(evidence);
  const faults: string[] = [];
  for (const [number, booked] of evidence.booked) {
    const rows = byNumber.get(number) ?? [];
    const wrong = [
      ...accountFaults(booked, rows),
      ...rows.flatMap((row) => [
        ...endFaults(booked, row),
        ...doubtFaults(booked, row, evidence.disasters),
        ...timeFaults(booked, row, runs.get(number) ?? []),
      ]),
      ...effectFaults(booked, rows[0], runs.get(number) ?? []),
    ];
    const seen = JSON.stringify({
      booked: { ...booked, requestIds: [...booked.requestIds] },
      rows,
      runs: runs.get(number),
    });
    faults.push(...wrong.map((fault) => `request ${number}: ${fault}; ${seen}`));
  }
  for (const { number, requestId } of evidence.stored) {
    if (!evidence.booked.has(number)) faults.push(`${requestId} is in the store, but nobody made a request ${number}`);
  }
  for (const number of runs.keys()) {
    if (!evidence.booked.has(number)) faults.push(`something ran as request ${number}, which nobody made`);
  }
  return faults;
}

/** A run of a request, and where. */
interface Run extends Effect {
  readonly node: string;
}

function runsByNumber({ effects }: ChaosEvidence): Map<number, Run[]> {
  const all = [...effects].flatMap(([node, { once, repeatable }]) =>
    [...once, ...repeatable].map((effect) => ({ ...effect, node }))
  );
  return Map.groupBy(all, ({ number }) => number);
}

/** What was accepted is in the store, once, and has ended. */
function accountFaults({ requestIds, unanswered }: BookedRequest, rows: readonly StoredRequest[]): string[] {
  const faults: string[] = [];
  if (requestIds.size > 1) faults.push("its client was given two ids");
  if (rows.length > 1) faults.push(`it is in the store ${rows.length} times`);
  if (rows.length === 0 && requestIds.size > 0) faults.push("it was accepted and is gone");
  if (requestIds.size === 0 && !unanswered) faults.push("its client has neither an answer nor given up");
  for (const id of requestIds) {
    if (!rows.some(({ requestId }) => requestId === id)) faults.push(`nothing in the store has the id ${id}`);
  }
  for (const { state } of rows) {
    if (!isRequestState(state) || !hasEnded(state)) faults.push(`it was left over as ${state}`);
  }
  return faults;
}

/** How it ended is one of the ways in which such a request may end, and what its clients were told. */
function endFaults({ order, told, cancelAsked }: BookedRequest, { state, errorCode }: StoredRequest): string[] {
  const faults: string[] = [];
  const lawful: Readonly<Record<string, boolean>> = {
    succeeded: order.kind !== "failing",
    failed: (order.kind === "failing" && errorCode === "execution_failed") ||
      (order.onDisconnect === "fail" && errorCode === "node_disconnected"),
    timed_out: order.timeoutMs < AMPLE_MS || order.ttlMs > 0,
    cancelled: cancelAsked,
    lost: order.capability === ONCE || order.onDisconnect === "wait",
  };
  if (lawful[state] !== true) faults.push(`it ended as ${state} (${errorCode ?? "no code"})`);
  for (const end of told) {
    if (end.state !== state && !mayBeForgotten(order)) {
      faults.push(`${end.by} said ${end.state}, the store says ${state}`);
    }
  }
  return faults;
}

/** That an outcome is unknown, or that it was given up, had its cause. */
function doubtFaults({ order }: BookedRequest, row: StoredRequest, disasters: ChaosEvidence["disasters"]): string[] {
  const { state, errorCode, dispatchedAt, completedAt, createdAt } = row;
  if (completedAt === undefined) return [];
  if (state === "lost") {
    if (dispatchedAt === undefined) return ["it is lost but was never dispatched"];
    // Who would not wait for the node is in doubt as soon as its session ends. Otherwise its node has to have died: with
    // the attempt, or, since what may be repeated is in no journal, shortly before it was sent there.
    const unnoticedMs = order.capability === REPEATABLE ? NOTICED_WITHIN_MS : 0;
    const inDoubt = order.onDisconnect === "fail"
      ? disasters.brokeBetween(order.node, dispatchedAt, completedAt)
      : disasters.diedBetween(order.node, dispatchedAt - unnoticedMs, completedAt);
    return inDoubt ? [] : ["it is lost, but its node did not die while it had it"];
  }
  const gaveUp = state === "failed" && errorCode === "node_disconnected";
  return gaveUp && !disasters.brokeBetween(order.node, createdAt, completedAt)
    ? ["it was given up, but its node was there all the time"]
    : [];
}

/** Nothing past its deadline or its time to live is dispatched. */
function timeFaults({ order }: BookedRequest, row: StoredRequest, runs: readonly Run[]): string[] {
  const { dispatchedAt, deadline, createdAt, attempt } = row;
  const faults: string[] = [];
  if (dispatchedAt !== undefined && dispatchedAt > deadline) faults.push("it was dispatched after its deadline");
  if (dispatchedAt !== undefined && attempt === 1 && order.ttlMs > 0 && dispatchedAt > createdAt + order.ttlMs) {
    faults.push("it was dispatched after its time to live");
  }
  if (runs.some(({ at }) => at > deadline + LATE_START_MS)) faults.push("it ran long after its deadline");
  return faults;
}

/** The side effect itself: no more often than allowed, and once where success was reported. */
function effectFaults({ order }: BookedRequest, row: StoredRequest | undefined, runs: readonly Run[]): string[] {
  const faults: string[] = [];
  if (runs.some(({ node }) => node !== order.node)) faults.push("it ran on a node that it was not meant for");
  if (order.capability !== ONCE) return faults;
  if (runs.length > 1 && order.onDisconnect !== "requeue") faults.push(`it ran ${runs.length} times`);
  if (row === undefined && runs.length > 0) faults.push("it ran and is not in the store");
  if (row?.state === "succeeded" && runs.length === 0) faults.push("it is said to have succeeded and did not run");
  const certain = row?.attempt === 0 || row?.state === "rejected" || row?.errorCode === "node_disconnected";
  if (certain && runs.length > 0) faults.push("it is said not to have run, and did");
  return faults;
}
