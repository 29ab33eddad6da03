import assert from "node:assert/strict";
import { IssuedIds } from "./issued_ids.ts";
import { ConnectedPair } from "./testing/connected_pair.ts";

interface Scene {
  readonly pair: ConnectedPair;
  readonly ids: IssuedIds;
  /** Ids that were routed, in order. */
  readonly routed: string[];
  readonly retired: string[];
  /** Resolves when a set could be issued after its pause. */
  readonly scheduled: Promise<void>;
  /** Lets the clock go on. */
  pass(ms: number): void;
  /** Says all that either side has to say. */
  exchange(): void;
}

async function scene(pauseMs: number, maxIds?: number): Promise<Scene> {
  const pair = await ConnectedPair.make(maxIds === undefined ? {} : { maxIds });
  const routed: string[] = [];
  const retired: string[] = [];
  const scheduled = Promise.withResolvers<void>();
  let now = 1_000;
  const ids = new IssuedIds(
    {
      native: pair.connection.native,
      resetTokenOf: (id) => BigInt(`0x${id.toHex()}`),
      route: (id) => routed.push(id),
      retire: (id) => retired.push(id),
      schedule: scheduled.resolve,
    },
    pauseMs,
    () => now,
  );
  const exchange = () => {
    for (let flights = 0; flights < 3; flights++) {
      pair.connection.flush();
      pair.toClient();
      pair.toDaemon();
      ids.noticeRetired();
    }
  };
  const pass = (ms: number) => void (now += ms);
  return { pair, ids, routed, retired, scheduled: scheduled.promise, pass, exchange };
}

Deno.test("IssuedIds issues a whole set at first, from which the peer takes one and gives back the id it had", async () => {
  const { pair, ids, routed, retired, exchange } = await scene(0);
  using _ = pair;
  const first = pair.client.daemonId.toHex();
  ids.noticeRetired();
  ids.begin();
  assert.equal(routed.length, 2);
  assert.ok(routed.every((id) => ids.isFresh(id)));
  assert.ok(!ids.isFresh(first));
  exchange();
  assert.ok(ids.isFresh(pair.client.daemonId.toHex()));
  assert.deepEqual(retired, [first]);
});

Deno.test("IssuedIds issues the next set as the peer gives back the one before, and no id of that is fresh", async () => {
  const { pair, ids, routed, retired, exchange } = await scene(0);
  using _ = pair;
  for (let sets = 1; sets <= 20; sets++) {
    ids.begin();
    const earlier = routed.slice(0, (sets - 1) * 2);
    assert.equal(routed.length, sets * 2 - (sets > 1 ? 1 : 0));
    exchange();
    assert.equal(routed.length, sets * 2);
    assert.ok(ids.isFresh(pair.client.daemonId.toHex()));
    assert.ok(!earlier.some((id) => ids.isFresh(id)));
    assert.equal(retired.length, sets * 2 - 1);
  }
});

for (const maxIds of [3, 5, 16]) {
  Deno.test(`IssuedIds issues sets of ${maxIds} to a peer that takes so many`, async () => {
    const { pair, ids, routed, exchange } = await scene(0, maxIds);
    using _ = pair;
    for (let sets = 1; sets <= 5; sets++) {
      ids.begin();
      exchange();
      assert.equal(routed.length, sets * maxIds);
      assert.ok(ids.isFresh(pair.client.daemonId.toHex()));
    }
  });
}

Deno.test("IssuedIds.canIssue says no to a peer that takes more than 16 ids", async () => {
  for (const [maxIds, can] of [[16, true], [17, false]] as const) {
    // deno-lint-ignore no-await-in-loop -- one after the other
    const { pair, ids } = await scene(0, maxIds);
    using _ = pair;
    assert.equal(ids.canIssue, can);
  }
});

Deno.test("IssuedIds waits with the next set until the pause is over", async () => {
  const { pair, ids, routed, scheduled, pass, exchange } = await scene(30);
  using _ = pair;
  ids.begin();
  exchange();
  pass(10);
  ids.begin();
  exchange();
  assert.equal(routed.length, 2);
  assert.ok(!ids.isFresh(pair.client.daemonId.toHex()));
  pass(20);
  await scheduled;
  assert.equal(routed.length, 3);
  exchange();
  assert.equal(routed.length, 4);
  assert.ok(ids.isFresh(pair.client.daemonId.toHex()));
});

Deno.test("IssuedIds.end() makes nothing of what was issued, and issues no more", async () => {
  const { pair, ids, routed, exchange } = await scene(60_000);
  using _ = pair;
  ids.begin();
  ids.end();
  exchange();
  assert.ok(!routed.some((id) => ids.isFresh(id)));
  // A pause that nobody waits for any more.
  ids.begin();
  ids.end();
});
