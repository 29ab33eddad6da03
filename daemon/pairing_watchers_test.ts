import assert from "node:assert/strict";
import { newUlid } from "../identity/device_id.ts";
import { unixMs } from "../identity/unix_ms.ts";
import { PairingWatchers } from "./pairing_watchers.ts";
import { PairingBench } from "./testing/pairing_bench.ts";

async function aRequest(bench: PairingBench) {
  return (await bench.pair((await bench.mint()).secretText)).request;
}

Deno.test("PairingWatchers tells of a request's news and its device's, and nobody else", async () => {
  await using bench = await PairingBench.open();
  const [first, second] = [await aRequest(bench), await aRequest(bench)];
  const watchers = new PairingWatchers(bench.clock);
  const told: string[] = [];
  const unwatch = [
    watchers.watch(first, () => told.push("first")),
    watchers.watch(first, () => told.push("first again")),
    watchers.watch(second, () => told.push("second")),
  ];
  watchers.notify([first.requestId, newUlid()]);
  assert.deepEqual(told.splice(0), ["first", "first again"]);
  watchers.notifyDevice(second.deviceId);
  assert.deepEqual(told.splice(0), ["second"]);
  for (const end of unwatch) end();
  watchers.notify([first.requestId, second.requestId]);
  assert.deepEqual(told, []);
});

Deno.test("PairingWatchers tells once that the time is over, by the clock and not by its timer", async () => {
  await using bench = await PairingBench.open();
  const request = await aRequest(bench);
  // A clock that stands still just before the time, so that the timer fires too early again and again.
  let now = unixMs(request.expiresAt - 1);
  let reads = 0;
  const lookedAgain = Promise.withResolvers<void>();
  const watchers = new PairingWatchers(() => {
    if (++reads === 5) lookedAgain.resolve();
    return now;
  });
  const over = Promise.withResolvers<void>();
  let told = 0;
  const unwatch = watchers.watch(request, () => {
    told += 1;
    over.resolve();
  });
  await lookedAgain.promise;
  assert.equal(told, 0);
  now = request.expiresAt;
  await over.promise;
  unwatch();
  assert.equal(told, 1);
});

Deno.test("PairingWatchers sets no timer for what has expired already", async () => {
  await using bench = await PairingBench.open();
  const request = await aRequest(bench);
  const watchers = new PairingWatchers(() => request.expiresAt);
  // Deno's sanitizer would find the timer, as the watch goes on.
  watchers.watch(request, () => assert.fail("no news"));
});
