import assert from "node:assert/strict";
import { Chance } from "../harness/chance.ts";
import { type Effect, ONCE, REPEATABLE } from "./chaos_capability.ts";
import { AMPLE_MS, type ChaosOrder, chaosOrder } from "./chaos_order.ts";
import { judge } from "./chaos_verdict.ts";
import { DisasterLog } from "./disaster_log.ts";
import { type BookedRequest, RequestBook, type ToldEnd } from "./request_book.ts";
import type { StoredRequest } from "./stored_request.ts";

const CREATED = 1_000_000;

/** One request that went well, and ways in which the account of it can be wrong. */
interface Account {
  readonly order?: Partial<ChaosOrder>;
  readonly told?: readonly ToldEnd[];
  readonly booked?: Partial<BookedRequest>;
  readonly row?: Partial<StoredRequest>;
  readonly rows?: readonly StoredRequest[];
  readonly runs?: readonly Effect[];
  readonly runsOn?: string;
  /** A node that was killed, and when. */
  readonly died?: { readonly of: string; readonly at: number };
  /** A link that was broken, and when. */
  readonly broke?: { readonly of: string; readonly at: number };
}

const ROW: StoredRequest = {
  number: 0,
  requestId: "A",
  state: "succeeded",
  attempt: 1,
  createdAt: CREATED,
  deadline: CREATED + AMPLE_MS,
  dispatchedAt: CREATED + 10,
  completedAt: CREATED + 30,
  errorCode: undefined,
};

function faultsOf(account: Account): string[] {
  const order: ChaosOrder = {
    ...chaosOrder(0, ["node"], new Chance(1)),
    kind: "quick",
    capability: ONCE,
    onDisconnect: "",
    timeoutMs: AMPLE_MS,
    ttlMs: 0,
    ...account.order,
  };
  const book = new RequestBook();
  book.open(order);
  book.accepted(0, "A");
  for (const end of account.told ?? []) book.told(0, end);
  const [[, entry] = [0, undefined]] = book.entries;
  assert.ok(entry);
  const disasters = new DisasterLog();
  if (account.died) disasters.addDeath({ of: account.died.of, from: account.died.at, to: account.died.at });
  if (account.broke) disasters.addBreak({ of: account.broke.of, from: account.broke.at, to: account.broke.at });
  const runs = account.runs ?? [{ number: 0, at: CREATED + 20 }];
  return judge({
    booked: new Map([[0, { ...entry, ...account.booked }]]),
    stored: account.rows ?? [{ ...ROW, ...account.row }],
    effects: new Map([[account.runsOn ?? "node", { once: runs, repeatable: [] }]]),
    disasters,
  });
}

const LOST = { state: "lost", errorCode: "outcome_unknown" } as const;
const AT_WORK = CREATED + 20;

const LAWFUL: Readonly<Record<string, Account>> = {
  "one that ran once and succeeded": {},
  "one that was lost with its node": { row: LOST, died: { of: "node", at: AT_WORK } },
  "one that may run again after its end was told": {
    order: { capability: REPEATABLE, keyed: false },
    told: [{ by: "watch", state: "succeeded" }],
    booked: { cancelAsked: true },
    row: { state: "cancelled" },
  },
  "one that was sent to a node that had just died, and that no journal would know of": {
    order: { capability: REPEATABLE, onDisconnect: "wait" },
    row: LOST,
    runs: [],
    died: { of: "node", at: CREATED },
  },
  "one that was given up when its daemon died": {
    order: { onDisconnect: "fail" },
    row: LOST,
    died: { of: "daemon", at: AT_WORK },
  },
  "one that was given up when its link broke": {
    order: { onDisconnect: "fail" },
    row: { state: "failed", errorCode: "node_disconnected" },
    runs: [],
    broke: { of: "node", at: AT_WORK },
  },
  "one that ran twice because its caller asked for that": {
    order: { onDisconnect: "requeue" },
    runs: [{ number: 0, at: AT_WORK }, { number: 0, at: AT_WORK }],
  },
  "one that nobody has an answer to, and that was not accepted": {
    booked: { requestIds: new Set(), unanswered: true },
    rows: [],
    runs: [],
  },
  "one that was cancelled before it ran": {
    booked: { cancelAsked: true },
    row: { state: "cancelled", attempt: 0, dispatchedAt: undefined },
    runs: [],
  },
};

const UNLAWFUL: Readonly<Record<string, Account>> = {
  "it is in the store 2 times": { rows: [ROW, { ...ROW, requestId: "B" }] },
  "it was accepted and is gone": { rows: [], runs: [] },
  "its client was given two ids": { booked: { requestIds: new Set(["A", "B"]) } },
  "its client has neither an answer nor given up": { booked: { requestIds: new Set() } },
  "nothing in the store has the id A": { row: { requestId: "B" } },
  "it was left over as running": { row: { state: "running", completedAt: undefined } },
  "it ended as timed_out": { row: { state: "timed_out", errorCode: "deadline_exceeded" } },
  "it ended as failed": { row: { state: "failed", errorCode: "invalid_output" } },
  "it ended as cancelled": { row: { state: "cancelled" } },
  "it ended as rejected": { row: { state: "rejected" }, runs: [] },
  "it ended as lost": {
    order: { capability: REPEATABLE },
    row: LOST,
    died: { of: "node", at: AT_WORK },
  },
  "watch said succeeded, the store says lost": {
    told: [{ by: "watch", state: "succeeded" }],
    row: LOST,
    died: { of: "node", at: AT_WORK },
  },
  "execute said succeeded, the store says cancelled": {
    order: { capability: REPEATABLE, keyed: true },
    told: [{ by: "execute", state: "succeeded" }],
    booked: { cancelAsked: true },
    row: { state: "cancelled" },
  },
  "it is lost, but its node did not die while it had it": { row: LOST, died: { of: "node", at: CREATED } },
  "it is lost, but its node did not": { row: LOST, died: { of: "daemon", at: AT_WORK } },
  "it is lost but was never dispatched": { row: { ...LOST, dispatchedAt: undefined }, runs: [] },
  "it was given up, but its node was there all the time": {
    order: { onDisconnect: "fail" },
    row: { state: "failed", errorCode: "node_disconnected" },
    runs: [],
    broke: { of: "node", at: CREATED + 60_000 },
    died: { of: "node", at: CREATED - 60_000 },
  },
  "it was dispatched after its deadline": { row: { deadline: CREATED + 5 } },
  "it was dispatched after its time to live": { order: { ttlMs: 5 } },
  "it ran long after its deadline": {
    order: { timeoutMs: 500 },
    row: { state: "timed_out", deadline: CREATED + 500 },
    runs: [{ number: 0, at: CREATED + 60_000 }],
  },
  "it ran on a node that it was not meant for": { runsOn: "other" },
  "it ran 2 times": { runs: [{ number: 0, at: AT_WORK }, { number: 0, at: AT_WORK }] },
  "it ran and is not in the store": { booked: { requestIds: new Set(), unanswered: true }, rows: [] },
  "it is said to have succeeded and did not run": { runs: [] },
  "it is said not to have run, and did": {
    order: { onDisconnect: "fail" },
    row: { state: "failed", errorCode: "node_disconnected" },
    broke: { of: "node", at: AT_WORK },
  },
  "something ran as request 7, which nobody made": { runs: [{ number: 0, at: AT_WORK }, { number: 7, at: AT_WORK }] },
  "B is in the store, but nobody made a request 7": { rows: [ROW, { ...ROW, number: 7, requestId: "B" }] },
};

Deno.test("judge() finds no fault when every promise was kept", () => {
  for (const [name, account] of Object.entries(LAWFUL)) assert.deepEqual(faultsOf(account), [], name);
});

Deno.test("judge() finds each way in which a promise can be broken", () => {
  for (const [fault, account] of Object.entries(UNLAWFUL)) {
    const found = faultsOf(account);
    assert.ok(found.some((each) => each.includes(fault)), `${fault}: ${JSON.stringify(found)}`);
  }
});
