import assert from "node:assert/strict";
import { newUlid } from "../identity/device_id.ts";
import type { CapabilityResult } from "../proto/gen/node.ts";
import { attemptRef } from "./dispatch.ts";
import { UnacknowledgedResults } from "./unacknowledged_results.ts";

const MEBIBYTE = 1024 * 1024;

function held(bytes: number) {
  const name = { requestId: newUlid(), attempt: 1 };
  const result: CapabilityResult = {
    attempt: attemptRef(name),
    success: true,
    outputJson: new Uint8Array(bytes),
    errorCode: "",
    error: "",
  };
  return { name, result };
}

Deno.test("UnacknowledgedResults sends a few megabytes at a time and goes on as they are acknowledged", () => {
  const results = new UnacknowledgedResults();
  const all = Array.from({ length: 10 }, () => held(MEBIBYTE));
  for (const { name, result } of all) results.add(name, result);
  const sent: CapabilityResult[] = [];
  results.sendOver((result) => sent.push(result));
  assert.equal(sent.length, 3);
  for (const { name } of all) results.remove(name);
  assert.deepEqual(sent, all.map(({ result }) => result).slice(0, sent.length));
  assert.equal(results.count, 0);
  assert.equal(results.bytes, 0);
});

Deno.test("UnacknowledgedResults sends each result once on a session, and all of them again on the next", () => {
  const results = new UnacknowledgedResults();
  const [first, second] = [held(10), held(10)];
  results.add(first.name, first.result);
  const sent: CapabilityResult[] = [];
  results.sendOver((result) => sent.push(result));
  results.add(second.name, second.result);
  assert.deepEqual(sent, [first.result, second.result]);
  results.sendOver(undefined);
  results.sendOver((result) => sent.push(result));
  assert.deepEqual(sent.slice(2), [first.result, second.result]);
});

Deno.test("UnacknowledgedResults sends a result that is larger than its window, alone", () => {
  const results = new UnacknowledgedResults();
  const [large, small] = [held(8 * MEBIBYTE), held(1)];
  const sent: CapabilityResult[] = [];
  results.sendOver((result) => sent.push(result));
  results.add(large.name, large.result);
  results.add(small.name, small.result);
  assert.deepEqual(sent, [large.result]);
  results.remove(large.name);
  assert.deepEqual(sent, [large.result, small.result]);
});

Deno.test("UnacknowledgedResults.remove() does nothing for another attempt", () => {
  const results = new UnacknowledgedResults();
  const { name, result } = held(1);
  results.add(name, result);
  results.remove({ ...name, attempt: 2 });
  results.remove({ requestId: newUlid(), attempt: 1 });
  assert.deepEqual(results.names, [name]);
  assert.equal(results.attemptOf(name.requestId), 1);
});
