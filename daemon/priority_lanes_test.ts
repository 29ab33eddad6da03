import assert from "node:assert/strict";
import { PriorityLanes, type Waiting } from "./priority_lanes.ts";
import type { RequestPriority } from "./request_priority.ts";

interface Named extends Waiting {
  readonly name: string;
}

let made = 0;
function request(priority: RequestPriority, capability = "echo"): Named {
  return { name: `${priority[0]}${++made}`, record: { priority, capability } };
}

function lanesOf(...requests: readonly Named[]): PriorityLanes<Named> {
  const lanes = new PriorityLanes<Named>();
  for (const each of requests) lanes.join(each);
  return lanes;
}

const free = () => false;
const fitting = () => true;

function turns(lanes: PriorityLanes<Named>, count: number): string {
  return Array.from({ length: count }, () => lanes.take(free, fitting)?.record.priority[0] ?? "-").join("");
}

Deno.test("PriorityLanes.take() gives 8, 3 and 1 of 12 turns while all three wait, the urgent first", () => {
  const many = (priority: RequestPriority) => Array.from({ length: 100 }, () => request(priority));
  const lanes = lanesOf(...many("low"), ...many("normal"), ...many("high"));
  for (let round = 0; round < 8; round++) {
    const taken = turns(lanes, 12);
    assert.equal(taken[0], "h");
    assert.deepEqual(["h", "n", "l"].map((lane) => taken.split(lane).length - 1), [8, 3, 1], taken);
  }
});

Deno.test("PriorityLanes.take() lets nothing starve: a low one waits for eleven others at most", () => {
  const lanes = lanesOf(request("low"));
  for (let turn = 0; turn < 12; turn++) {
    lanes.join(request("high"));
    lanes.join(request("normal"));
  }
  const low = turns(lanes, 12).indexOf("l");
  assert.ok(low >= 0 && low < 12);
});

Deno.test("PriorityLanes.take() gives a lane that was empty no turns for that time", () => {
  const lanes = lanesOf(...Array.from({ length: 50 }, () => request("low")));
  assert.equal(turns(lanes, 40), "l".repeat(40));
  for (let index = 0; index < 3; index++) lanes.join(request("high"));
  assert.equal(turns(lanes, 4), "hhhl");
});

Deno.test("PriorityLanes.take() goes by acceptance within a lane, and what was put back goes first", () => {
  const [a, b, c, back] = [request("low", "x"), request("low", "y"), request("low", "x"), request("low", "y")];
  const lanes = lanesOf(a, b, c);
  lanes.joinFront(back);
  assert.deepEqual([...Array(4)].map(() => lanes.take(free, fitting)?.name), [back, a, b, c].map(({ name }) => name));
  assert.equal(lanes.take(free, fitting), undefined);
  assert.equal(lanes.size, 0);
});

Deno.test("PriorityLanes.take() passes over a capability that is held up, but not over one that does not fit", () => {
  const [slow, echo] = [request("high", "slow"), request("low", "echo")];
  const lanes = lanesOf(slow, echo);
  assert.equal(lanes.take(free, (each) => each !== slow), undefined);
  assert.equal(lanes.take((capability) => capability === "slow", fitting), echo);
  assert.equal(lanes.take((capability) => capability === "slow", fitting), undefined);
  assert.equal(lanes.take(free, fitting), slow);
});

Deno.test("PriorityLanes.leave() takes out what waits anywhere, once", () => {
  const [a, b, c] = [request("normal"), request("normal"), request("normal")];
  const lanes = lanesOf(a, b, c);
  assert.equal(lanes.leave(b), true);
  assert.equal(lanes.leave(b), false);
  assert.deepEqual([...lanes], [a, c]);
  assert.equal(lanes.size, 2);
});
