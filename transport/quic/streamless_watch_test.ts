import assert from "node:assert/strict";
import { StreamlessWatch } from "./streamless_watch.ts";

const LIMIT_MS = 30;

Deno.test("StreamlessWatch tells once when there has been no stream for too long", async () => {
  const told = Promise.withResolvers<void>();
  const watch = new StreamlessWatch(LIMIT_MS, () => false, told.resolve);
  watch.begin();
  await told.promise;
});

Deno.test("StreamlessWatch says nothing while there is a stream, and watches again when there is none", async () => {
  let streams = 1;
  const told = Promise.withResolvers<number>();
  const asked = Promise.withResolvers<void>();
  const watch = new StreamlessWatch(LIMIT_MS, () => {
    asked.resolve();
    return streams > 0;
  }, () => told.resolve(streams));
  watch.begin();
  await asked.promise;
  streams = 0;
  watch.begin();
  assert.equal(await told.promise, 0);
});

Deno.test("StreamlessWatch.stop() ends it", () => {
  const watch = new StreamlessWatch(LIMIT_MS, () => false, () => assert.fail("nobody asked"));
  watch.begin();
  watch.stop();
  watch.stop();
});
