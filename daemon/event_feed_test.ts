import assert from "node:assert/strict";
import { PalyraError } from "../identity/palyra_error.ts";
import { EventFeed } from "./event_feed.ts";

Deno.test("EventFeed gives what was pushed before, during and between reads, in order, and ends", async () => {
  const feed = new EventFeed<number>();
  feed.push(1);
  feed.push(2);
  const seen: number[] = [];
  for await (const event of feed) {
    seen.push(event);
    if (event === 2) queueMicrotask(() => feed.push(3));
    if (event === 3) {
      feed.push(4);
      feed.end();
      feed.push(5);
    }
  }
  assert.deepEqual(seen, [1, 2, 3, 4]);
});

Deno.test("EventFeed cuts a reader that does not keep up, after what it has room for", async () => {
  const feed = new EventFeed<number>();
  for (let event = 0; event < 2_000; event++) feed.push(event);
  const seen: number[] = [];
  await assert.rejects(async () => {
    for await (const event of feed) seen.push(event);
  }, (thrown) => thrown instanceof PalyraError && thrown.code === "slow_peer");
  assert.equal(seen.length, 1_024);
});
