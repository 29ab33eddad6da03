import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { Mediator } from "./capabilities/mod.ts";
import { AttemptJournal, JOURNAL_FILE, readJournalSummary } from "./journal/mod.ts";
import { attachedTo, dispatchOf, RecordingLink } from "./testing/recording_link.ts";
import { TestFolder } from "./testing/test_folder.ts";
import { deskWith, HeldCapability } from "./testing/test_node.ts";

const nameOf = ({ requestId, attempt }: ReturnType<typeof dispatchOf>) => ({ requestId, attempt });

/** An owner who answers when the test says so. */
class HeldOwner implements Mediator {
  readonly #answer = Promise.withResolvers<void>();

  async consent(request: Parameters<Mediator["consent"]>[0]): Promise<void> {
    request.awaiting();
    const over = Promise.withResolvers<never>();
    request.signal.addEventListener("abort", () => over.reject(request.signal.reason), { once: true });
    await Promise.race([this.#answer.promise, over.promise]);
  }

  agree(): void {
    this.#answer.resolve();
  }
}

Deno.test("WorkDesk notes an attempt before it starts, accepts it then, and keeps it until it is acknowledged", async () => {
  await using folder = await TestFolder.create();
  await using journal = await AttemptJournal.open(folder.path);
  const held = new HeldCapability("held", false);
  const desk = deskWith([held], { journal });
  assert.equal(desk.journalId, journal.id);
  const link = attachedTo(desk);
  const dispatch = dispatchOf();
  desk.dispatch(dispatch);
  assert.deepEqual(link.cases, []);
  await held.untilStarted(1);
  assert.equal(journal.commitCount, 1);
  assert.deepEqual((await readJournalSummary(folder.path))?.counts, { attempts: 1, finished: 0 });
  desk.acknowledge(dispatch);
  assert.ok(journal.holds(dispatch), "what runs cannot be acknowledged");
  held.finish("done");
  await link.results(1);
  assert.deepEqual(link.cases, ["accepted", "progress", "result"]);
  assert.deepEqual(desk.finished, [nameOf(dispatch)]);
  assert.ok(journal.holds(dispatch));
  desk.acknowledge(dispatch);
  assert.ok(!journal.holds(dispatch));
  assert.deepEqual(desk.finished, []);
});

Deno.test("WorkDesk does not journal an idempotent capability", async () => {
  await using folder = await TestFolder.create();
  await using journal = await AttemptJournal.open(folder.path);
  const desk = deskWith([], { journal });
  const link = attachedTo(desk);
  const dispatch = dispatchOf({ capability: "echo" });
  desk.dispatch(dispatch);
  await link.results(1);
  assert.deepEqual(link.cases, ["result"]);
  assert.ok(!journal.holds(dispatch));
  assert.equal(journal.commitCount, 0);
});

Deno.test("WorkDesk does not journal what waits for its owner, and accepts it when it starts", async () => {
  await using folder = await TestFolder.create();
  await using journal = await AttemptJournal.open(folder.path);
  const held = new HeldCapability("held", false);
  const owner = new HeldOwner();
  const desk = deskWith([held], { journal, mediator: owner });
  const first = attachedTo(desk);
  const dispatch = dispatchOf();
  desk.dispatch(dispatch);
  await first.until(1);
  desk.detach(first);
  const link = attachedTo(desk);
  assert.deepEqual([first.cases, link.cases], [["awaitingLocalMediation"], ["awaitingLocalMediation"]]);
  assert.deepEqual(desk.inFlight, [nameOf(dispatch)]);
  assert.ok(!journal.holds(dispatch));
  owner.agree();
  await held.untilStarted(1);
  assert.ok(journal.holds(dispatch));
  held.finish(null);
  await link.results(1);
  assert.deepEqual(link.cases, ["awaitingLocalMediation", "accepted", "progress", "result"]);
});

Deno.test("WorkDesk takes up what the process before it left, and runs none of it again", async () => {
  await using folder = await TestFolder.create();
  const [cutOff, done] = [dispatchOf(), dispatchOf()];
  const before = new HeldCapability("held", false);
  {
    await using journal = await AttemptJournal.open(folder.path);
    const desk = deskWith([before], { journal });
    const link = attachedTo(desk);
    desk.dispatch(done);
    desk.dispatch(cutOff);
    await before.untilStarted(2);
    before.finish("done");
    await link.results(1);
  }
  const held = new HeldCapability("held", false);
  {
    await using journal = await AttemptJournal.open(folder.path);
    const desk = deskWith([held], { journal });
    assert.deepEqual([desk.interrupted, desk.finished, desk.inFlight], [[nameOf(cutOff)], [nameOf(done)], []]);
    const link = attachedTo(desk);
    const [result] = await link.results(1);
    assert.equal(new TextDecoder().decode(result?.outputJson), '"done"');
    desk.dispatch(cutOff);
    desk.dispatch(done);
    desk.cancel(cutOff, "nobody waits");
    desk.acknowledge({ ...nameOf(cutOff), attempt: 2 });
    assert.deepEqual([desk.interrupted, desk.finished], [[nameOf(cutOff)], [nameOf(done)]]);
    desk.acknowledge(done);
    assert.deepEqual([link.cases, held.starts], [["result"], 0]);
  }
  await using journal = await AttemptJournal.open(folder.path);
  const desk = deskWith([held], { journal });
  assert.deepEqual([desk.interrupted, desk.finished], [[nameOf(cutOff)], []]);
  desk.acknowledge(cutOff);
  assert.deepEqual(desk.interrupted, []);
  assert.ok(!journal.holds(cutOff));
  before.finish(null);
});

Deno.test("WorkDesk forgets an attempt that was cut off when a newer one takes its place", async () => {
  await using folder = await TestFolder.create();
  const dispatch = dispatchOf();
  {
    await using journal = await AttemptJournal.open(folder.path);
    await journal.start(dispatch);
  }
  const held = new HeldCapability("held", false);
  await using journal = await AttemptJournal.open(folder.path);
  const desk = deskWith([held], { journal });
  desk.dispatch({ ...dispatch, attempt: 2 });
  assert.deepEqual(desk.interrupted, []);
  await held.untilStarted(1);
  assert.ok(!journal.holds(dispatch) && journal.holds({ ...dispatch, attempt: 2 }));
  held.finish(null);
});

Deno.test("WorkDesk.cancel() keeps an attempt that has started until it is acknowledged, however often it is abandoned", async () => {
  await using folder = await TestFolder.create();
  await using journal = await AttemptJournal.open(folder.path);
  const held = new HeldCapability("held", false);
  const desk = deskWith([held], { journal });
  const first = attachedTo(desk);
  const dispatch = dispatchOf();
  desk.dispatch(dispatch);
  await held.untilStarted(1);
  desk.cancel(dispatch, "its deadline is over");
  assert.deepEqual(desk.inFlight, [nameOf(dispatch)], "until it has ended");
  const [result] = await first.results(1);
  assert.equal(result?.errorCode, "cancelled");
  assert.deepEqual([desk.inFlight, desk.finished], [[], [nameOf(dispatch)]]);
  desk.detach(first);
  const second = new RecordingLink();
  desk.attach(second, [nameOf(dispatch)]);
  assert.deepEqual(second.cases, ["result"]);
  assert.ok(journal.holds(dispatch));
  desk.acknowledge(dispatch);
  assert.deepEqual(desk.finished, []);
  assert.ok(!journal.holds(dispatch));
  held.finish(null);
});

Deno.test("WorkDesk.cancel() forgets an attempt that has not started", async () => {
  await using folder = await TestFolder.create();
  await using journal = await AttemptJournal.open(folder.path);
  const held = new HeldCapability("held", false);
  const desk = deskWith([held], { journal, mediator: new HeldOwner() });
  const link = attachedTo(desk);
  const dispatch = dispatchOf();
  desk.dispatch(dispatch);
  await link.until(1);
  desk.cancel(dispatch, "nobody waits");
  assert.deepEqual(desk.inFlight, []);
  await link.results(1);
  assert.deepEqual(desk.finished, []);
  assert.deepEqual([held.starts, journal.commitCount], [0, 0]);
});

Deno.test("WorkDesk starts nothing that it cannot note, goes on with the rest, and takes it when it comes again", async () => {
  await using folder = await TestFolder.create();
  await using journal = await AttemptJournal.open(folder.path);
  const held = new HeldCapability("held", false);
  const desk = deskWith([held], { journal });
  const link = attachedTo(desk);
  const [dispatch, repeatable] = [dispatchOf(), dispatchOf({ capability: "echo" })];
  const other = new DatabaseSync(join(folder.path, JOURNAL_FILE));
  other.exec("BEGIN IMMEDIATE");
  desk.dispatch(dispatch);
  const [refusal] = await link.results(1);
  assert.equal(refusal?.errorCode, "state_read_only");
  desk.dispatch(repeatable);
  await link.results(2);
  assert.deepEqual(link.cases, ["result", "result"]);
  assert.deepEqual([desk.inFlight, desk.finished], [[], [nameOf(repeatable)]]);
  other.exec("ROLLBACK");
  other.close();
  desk.dispatch({ ...dispatch, attempt: 2 });
  await held.untilStarted(1);
  held.finish(null);
  await link.results(3);
  assert.equal(held.starts, 1);
});

Deno.test("WorkDesk.stopAll() leaves the next process the results that nobody took", async () => {
  await using folder = await TestFolder.create();
  const held = new HeldCapability("held", false);
  const dispatch = dispatchOf();
  {
    await using journal = await AttemptJournal.open(folder.path);
    const desk = deskWith([held], { journal });
    desk.dispatch(dispatch);
    await held.untilStarted(1);
    desk.stopAll();
  }
  await using journal = await AttemptJournal.open(folder.path);
  const { interrupted, finished } = journal.load();
  assert.deepEqual(interrupted, []);
  assert.deepEqual(finished.map(({ name, result }) => [name, result.errorCode]), [[nameOf(dispatch), "shutting_down"]]);
  held.finish(null);
});

Deno.test("WorkDesk.stopAll() gives back what has not started, and the journal keeps nothing of it", async () => {
  await using folder = await TestFolder.create();
  const held = new HeldCapability("held", false);
  const owner = new HeldOwner();
  const dispatch = dispatchOf();
  {
    await using journal = await AttemptJournal.open(folder.path);
    const desk = deskWith([held], { journal, mediator: owner });
    const link = attachedTo(desk);
    desk.dispatch(dispatch);
    await link.until(1);
    desk.stopAll();
    const [result] = await link.results(1);
    assert.deepEqual([result?.attempt?.attempt, result?.errorCode], [1, "queue_full"]);
    assert.deepEqual([desk.inFlight, desk.finished], [[], []]);
    await desk.whenIdle();
  }
  await using journal = await AttemptJournal.open(folder.path);
  assert.deepEqual(journal.load(), { interrupted: [], finished: [] });
  assert.equal(held.starts, 0);
});

Deno.test("WorkDesk.stopAll() gives back what is just being noted, which then does not start", async () => {
  await using folder = await TestFolder.create();
  const held = new HeldCapability("held", false);
  const owner = new HeldOwner();
  const dispatch = dispatchOf();
  {
    await using journal = await AttemptJournal.open(folder.path);
    const desk = deskWith([held], { journal, mediator: owner });
    const link = attachedTo(desk);
    desk.dispatch(dispatch);
    await link.until(1);
    owner.agree();
    // deno-lint-ignore no-await-in-loop -- within the turn of the event loop in which it is noted
    while (!journal.holds(dispatch)) await Promise.resolve();
    assert.equal(journal.commitCount, 0);
    desk.stopAll();
    await desk.whenIdle();
    await journal.close();
    assert.deepEqual(link.cases, ["awaitingLocalMediation", "result"]);
  }
  await using journal = await AttemptJournal.open(folder.path);
  assert.deepEqual(journal.load(), { interrupted: [], finished: [] });
  assert.equal(held.starts, 0);
});
