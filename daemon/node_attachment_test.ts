import assert from "node:assert/strict";
import { type CanonicalUlid, newUlid } from "../identity/device_id.ts";
import type { CapabilityOrder } from "./capability_order.ts";
import { benchTest, FakeLink, never, NO_WORK, type QueueBench } from "./testing/queue_bench.ts";

const test = benchTest("NodeAttachment");

test("after a lost session goes on with what the node still runs and takes results once", async (bench) => {
  const first = new FakeLink(1);
  bench.attach(first);
  const answer = bench.queue.execute(bench.order("open"), never);
  await first.arrived(1);
  const [dispatch] = first.dispatched;
  assert.ok(dispatch);
  bench.queue.detach(bench.device, first);
  const second = new FakeLink(2);
  assert.deepEqual(bench.attach(second, { inFlight: [dispatch] }), []);
  assert.deepEqual(second.dispatched, []);
  bench.finish(second, dispatch);
  bench.finish(second, dispatch);
  assert.equal((await answer).record.state, "succeeded");
});

test("after a lost session repeats what the same process never got", async (bench) => {
  const first = new FakeLink(1);
  bench.attach(first);
  const { record } = await bench.queue.submit(bench.order("open"));
  bench.queue.detach(bench.device, first);
  const second = new FakeLink(2);
  bench.attach(second);
  await second.arrived(1);
  assert.equal(second.dispatched[0]?.requestId, record.requestId);
  assert.equal(second.dispatched[0]?.attempt, 2);
});

test("after the node's restart repeats the idempotent and calls the rest lost", async (bench) => {
  const first = new FakeLink(1);
  bench.attach(first);
  const safe = await bench.queue.submit(bench.order("safe.echo"));
  const open = bench.queue.execute(bench.order("open"), never);
  await first.arrived(2);
  bench.queue.detach(bench.device, first);
  const second = new FakeLink(2, "instance-2");
  bench.attach(second);
  const lost = await open;
  assert.equal(lost.record.state, "lost");
  assert.equal(lost.record.errorCode, "outcome_unknown");
  assert.deepEqual(second.dispatched.map((each) => each.requestId), [safe.record.requestId]);
});

test(
  "after the daemon's restart adopts what the node has, and tells it to stop what nobody wants",
  async (bench) => {
    const link = new FakeLink(1);
    bench.attach(link);
    const { record } = await bench.queue.submit(bench.order("safe.echo"));
    const [dispatch] = link.dispatched;
    assert.ok(dispatch);
    const strange = { requestId: newUlid(), attempt: 1 };
    await bench.restart();
    const again = new FakeLink(2);
    assert.deepEqual(bench.attach(again, { inFlight: [dispatch, strange] }), [strange]);
    assert.deepEqual(again.dispatched, []);
    const ended = new Promise<void>((resolve) =>
      bench.queue.watch(record.requestId, (event) => event.kind === "state" && resolve())
    );
    bench.finish(again, dispatch);
    await ended;
    assert.equal((await bench.get(record.requestId)).state, "succeeded");
  },
);

test("says welcome before it dispatches anything, also when it has to call requests lost", async (bench) => {
  const first = new FakeLink(1, "instance-1", 1);
  bench.attach(first);
  await bench.queue.submit(bench.order("open"));
  await bench.queue.submit(bench.order("safe.echo"));
  bench.queue.detach(bench.device, first);
  const second = new FakeLink(2, "instance-2", 1);
  const order: string[] = [];
  second.dispatch = () => order.push("dispatch");
  bench.queue.attach(bench.device, second, NO_WORK, () => order.push("welcome"));
  assert.deepEqual(order, ["welcome", "dispatch"]);
});

test("goes on with an attempt whose number it had not written before it was restarted", async (bench) => {
  const first = new FakeLink(1);
  bench.attach(first);
  const { record } = await bench.queue.submit(bench.order("safe.echo"));
  bench.queue.detach(bench.device, first);
  const second = new FakeLink(2, "instance-2");
  bench.attach(second);
  await second.arrived(1);
  const [dispatch] = second.dispatched;
  assert.equal(dispatch?.attempt, 2);
  await bench.restart();
  const third = new FakeLink(3, "instance-2");
  assert.ok(dispatch);
  assert.deepEqual(bench.attach(third, { inFlight: [dispatch] }), [], "it is not told to stop");
  assert.equal(third.dispatched.length, 0, "nor dispatched again");
  const outcome = new Promise<string>((resolve) =>
    bench.queue.watch(record.requestId, (event) => event.kind === "state" && resolve(event.record.state))
  );
  bench.finish(third, dispatch);
  assert.equal(await outcome, "succeeded");
});

test("knows after its restart that a process which never stopped had not got an attempt", async (bench) => {
  const first = new FakeLink(1);
  bench.attach(first);
  const { record } = await bench.queue.submit(bench.order("open"));
  await bench.restart();
  const second = new FakeLink(2);
  bench.attach(second);
  await second.arrived(1);
  assert.equal(second.dispatched[0]?.requestId, record.requestId);
});

const JOURNAL = { journalId: "journal-1" };

/** A request that a node of the journal has been sent, after which its session ended. */
async function sentAndLeft(
  bench: QueueBench,
  capability: string,
  changes: Partial<CapabilityOrder> = {},
): Promise<{ requestId: CanonicalUlid; attempt: number }> {
  const link = new FakeLink(1, "instance-1", 4, JOURNAL);
  bench.attach(link);
  const { requestId } = await bench.submit(capability, changes);
  await link.arrived(1);
  bench.detach(link);
  return { requestId, attempt: 1 };
}

type Account = "absent" | "interrupted" | "absent, other journal" | "same process";

/** What becomes of a request whose node comes back with nothing to show for its attempt. */
const LOSSES: [Account, string, CapabilityOrder["onDisconnect"], "queued" | "lost"][] = [
  ["same process", "open", undefined, "queued"],
  ["same process", "open", "wait", "queued"],
  ["absent", "open", undefined, "queued"],
  ["absent", "open", "wait", "queued"],
  ["absent", "safe.echo", undefined, "queued"],
  // What is idempotent is not journalled, so its absence tells nothing.
  ["absent", "safe.echo", "wait", "lost"],
  ["absent, other journal", "open", undefined, "lost"],
  ["absent, other journal", "open", "requeue", "queued"],
  ["absent, other journal", "open", "wait", "lost"],
  ["absent, other journal", "safe.echo", undefined, "queued"],
  ["interrupted", "open", undefined, "lost"],
  ["interrupted", "open", "requeue", "queued"],
  ["interrupted", "open", "wait", "lost"],
];

for (const [account, capability, onDisconnect, state] of LOSSES) {
  const choice = onDisconnect === undefined ? "nothing asked for" : onDisconnect;
  for (const restarted of [false, true]) {
    const when = restarted ? ", also when the daemon was restarted" : "";
    test(`${capability}, ${account}, ${choice}: ${state}${when}`, async (bench) => {
      const attempt = await sentAndLeft(bench, capability, { ...(onDisconnect !== undefined && { onDisconnect }) });
      if (restarted) await bench.restart();
      const link = new FakeLink(2, account === "same process" ? "instance-1" : "instance-2", 4, {
        journalId: account === "absent, other journal" ? "journal-2" : "journal-1",
      });
      bench.attach(link, account === "interrupted" ? { interrupted: [attempt] } : {});
      if (state === "queued") {
        await link.arrived(1);
        // An idempotent attempt is not on disk before it is sent, so a restarted daemon may count from 1 again.
        if (!restarted || capability === "open") assert.equal(link.dispatched[0]?.attempt, 2);
      } else {
        const ended = await bench.ended(attempt.requestId);
        assert.deepEqual([ended.state, ended.errorCode], ["lost", "outcome_unknown"]);
        assert.deepEqual(link.dispatched, []);
      }
      if (account === "interrupted") {
        await link.acknowledgements(1);
        assert.deepEqual(link.acknowledged, [attempt]);
        if (state === "lost") assert.equal((await bench.stored(attempt.requestId))?.state, "lost");
      }
    });
  }
}

for (
  const [capability, state, code] of [
    ["open", "lost", "outcome_unknown"],
    ["safe.echo", "failed", "node_disconnected"],
  ] as const
) {
  for (const restarted of [false, true]) {
    const when = restarted ? "the daemon is restarted" : "the session ends";
    test(`${capability}, fail asked for: ${state} as soon as ${when}`, async (bench) => {
      const link = new FakeLink(1);
      bench.attach(link);
      const { requestId } = await bench.submit(capability, { onDisconnect: "fail" });
      await link.arrived(1);
      if (restarted) await bench.restart();
      else bench.detach(link);
      const ended = await bench.ended(requestId);
      assert.deepEqual([ended.state, ended.errorCode], [state, code]);
      // Nobody waits for it any more.
      assert.deepEqual(bench.attach(new FakeLink(2), { inFlight: [{ requestId, attempt: 1 }] }).length, 1);
    });
  }
}

test("fails what was never sent, and lets what waits wait on, when that was asked for", async (bench) => {
  const link = new FakeLink(1, "instance-1", 1);
  const record = await bench.submit("open", { onDisconnect: "fail" });
  // Its attempt is being written when the session ends.
  bench.attach(link);
  bench.detach(link);
  const ended = await bench.ended(record.requestId);
  assert.deepEqual([ended.state, ended.errorCode], ["failed", "node_disconnected"]);
  assert.deepEqual(link.dispatched, []);
  bench.attach(link);
  const arriving = bench.queue.submit(bench.order("open", { onDisconnect: "fail" }));
  bench.detach(link);
  const { record: waiting } = await arriving;
  assert.equal(waiting.state, "queued", "it was not accepted yet, and now it waits");
  await bench.restart();
  const again = new FakeLink(2);
  bench.attach(again);
  await again.arrived(1);
  assert.equal(again.dispatched[0]?.requestId, waiting.requestId);
});

test("acknowledges what was cut off when nobody knows of it or its request has ended", async (bench) => {
  const { requestId } = await bench.submit("open");
  await bench.queue.cancel(requestId, "no longer wanted");
  const link = new FakeLink(1);
  const interrupted = [{ requestId, attempt: 1 }, { requestId: newUlid(), attempt: 3 }];
  bench.attach(link, { interrupted });
  await link.acknowledgements(2);
  assert.deepEqual(link.acknowledged, interrupted);
});

test("calls lost what the node began and this daemon has forgotten, as after a restore", async (bench) => {
  const { requestId } = await bench.submit("open");
  const link = new FakeLink(1);
  bench.attach(link, { interrupted: [{ requestId, attempt: 4 }] });
  assert.equal((await bench.ended(requestId)).state, "lost");
  assert.deepEqual(link.dispatched, []);
});

test("never gives an attempt a number that a node may know", async (bench) => {
  const { requestId } = await bench.submit("safe.echo");
  const first = new FakeLink(1);
  bench.attach(first, { inFlight: [{ requestId, attempt: 5 }] });
  bench.detach(first);
  const second = new FakeLink(2, "instance-2");
  bench.attach(second);
  await second.arrived(1);
  assert.equal(second.dispatched[0]?.attempt, 6);
});

test("does not trust a journal for an attempt that was not journalled in it", async (bench) => {
  // Accepted as what must not be repeated, dispatched when the node no longer declared it so.
  const { requestId } = await bench.submit("open");
  const declared = bench.check;
  bench.check = () => ({ idempotent: true });
  const first = new FakeLink(1, "instance-1", 4, JOURNAL);
  bench.attach(first);
  await first.arrived(1);
  bench.detach(first);
  bench.check = declared;
  const second = new FakeLink(2, "instance-2", 4, JOURNAL);
  bench.attach(second);
  assert.equal((await bench.ended(requestId)).state, "lost");
});

test("does not take what is not accepted yet for a request of its own when a node comes back", async (bench) => {
  const first = new FakeLink(1);
  bench.attach(first);
  const order = bench.order("open", { idempotencyKey: "pay-once" });
  const { record } = await bench.queue.submit(order);
  const attempt = { requestId: record.requestId, attempt: 1 };
  const twin = bench.queue.submit(order);
  const second = new FakeLink(2);
  bench.attach(second, { inFlight: [attempt] });
  assert.deepEqual((await twin).record.requestId, record.requestId);
  assert.deepEqual(bench.queue.countsOf(bench.device), { queued: 0, inFlight: 1 });
  assert.deepEqual([first.dispatched.length, second.dispatched], [1, []]);
});

test("sends no attempt that is not on disk, however often the node comes while one is being written", async (bench) => {
  const { requestId } = await bench.submit("open");
  const links = [1, 2, 3].map((epoch) => new FakeLink(epoch));
  const stored: Promise<number | undefined>[] = [];
  const sent = Promise.withResolvers<void>();
  for (const link of links) {
    link.dispatch = (dispatch) => {
      link.dispatched.push(dispatch);
      stored.push(bench.stored(requestId).then((record) => record?.attempt));
      sent.resolve();
    };
    bench.attach(link);
  }
  await sent.promise;
  assert.deepEqual(links.map(({ dispatched }) => dispatched.map(({ attempt }) => attempt)), [[], [], [3]]);
  assert.deepEqual(await Promise.all(stored), [3]);
});
