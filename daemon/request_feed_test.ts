import assert from "node:assert/strict";
import type { RequestEvent } from "./live_request.ts";
import { RequestFeed } from "./request_feed.ts";
import { PROGRESS_BYTES_KEPT, PROGRESS_KEPT } from "./store/request_progress_record.ts";
import { aDevice, aRequest } from "./testing/store_records.ts";

const record = aRequest(aDevice());
const state = (attempt: number): RequestEvent => ({ kind: "state", record: { ...record, attempt } });
const progress = (sequence: number, bytes = 1): RequestEvent => ({
  kind: "progress",
  attempt: 1,
  progress: { sequence, payloadJson: new Uint8Array(bytes) },
});
const name = (event: RequestEvent) =>
  event.kind === "state" ? `s${event.record.attempt}` : `p${event.progress.sequence}`;

async function read(feed: RequestFeed): Promise<string[]> {
  const names: string[] = [];
  for await (const event of feed) names.push(name(event));
  return names;
}

Deno.test("RequestFeed gives what was pushed before, during and between reads, in order, and ends", async () => {
  const feed = new RequestFeed();
  feed.push(state(1));
  const events = feed[Symbol.asyncIterator]();
  const next = async () => {
    const { value } = await events.next();
    return value === undefined ? "end" : name(value);
  };
  assert.equal(await next(), "s1");
  const waiting = next();
  feed.push(progress(1));
  feed.push(state(2));
  assert.equal(await waiting, "p1");
  feed.end();
  feed.push(state(3));
  assert.deepEqual([await next(), await next()], ["s2", "end"]);
});

Deno.test("RequestFeed drops the oldest progress of a reader that lags, and no state for it", async () => {
  const many = new RequestFeed();
  many.push(state(1));
  for (let sequence = 1; sequence <= PROGRESS_KEPT + 3; sequence++) many.push(progress(sequence));
  many.push(state(2));
  many.end();
  const names = await read(many);
  assert.deepEqual([names.length, ...names.slice(0, 2), names.at(-1)], [PROGRESS_KEPT + 2, "s1", "p4", "s2"]);

  const large = new RequestFeed();
  for (let sequence = 1; sequence <= 6; sequence++) large.push(progress(sequence, PROGRESS_BYTES_KEPT / 2));
  large.end();
  assert.deepEqual(await read(large), ["p5", "p6"]);
});

Deno.test("RequestFeed bounds the states too, and keeps the newest", async () => {
  const feed = new RequestFeed();
  for (let attempt = 1; attempt <= 1_000; attempt++) feed.push(state(attempt));
  feed.end();
  const names = await read(feed);
  assert.ok(names.length < 100);
  assert.equal(names.at(-1), "s1000");
});
