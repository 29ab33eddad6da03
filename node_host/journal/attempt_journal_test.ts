import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { PalyraError } from "../../identity/palyra_error.ts";
import type { CapabilityResult } from "../../proto/gen/node.ts";
import { type AttemptName, attemptRef } from "../dispatch.ts";
import { newRequestId } from "../testing/test_node.ts";
import { TestFolder } from "../testing/test_folder.ts";
import { AttemptJournal } from "./attempt_journal.ts";
import { JOURNAL_FILE } from "./journal_file.ts";
import { JOURNAL_MARK_FILE } from "./journal_mark.ts";

const newAttempt = (attempt = 1): AttemptName => ({ requestId: newRequestId(), attempt });

function resultOf(name: AttemptName, text = "done"): CapabilityResult {
  const outputJson = new TextEncoder().encode(JSON.stringify(text));
  return { attempt: attemptRef(name), success: true, outputJson, errorCode: "", error: "" };
}

/** What another process would find: every attempt on the disk, and whether it has its result. */
function onDisk({ path }: TestFolder): [string, number, boolean][] {
  const db = new DatabaseSync(join(path, JOURNAL_FILE), { readOnly: true });
  try {
    return db.prepare("SELECT * FROM attempts ORDER BY place").all()
      .map((row) => [String(row["request_id"]), Number(row["attempt"]), row["success"] !== null]);
  } finally {
    db.close();
  }
}

Deno.test("AttemptJournal.start() resolves when the start is on the disk, with one commit for a whole turn", async () => {
  await using folder = await TestFolder.create();
  await using journal = await AttemptJournal.open(folder.path);
  const attempts = Array.from({ length: 100 }, () => newAttempt());
  const started = Promise.all(attempts.map((name) => journal.start(name)));
  assert.deepEqual(onDisk(folder), []);
  await started;
  assert.deepEqual(onDisk(folder), attempts.map(({ requestId }) => [requestId, 1, false]));
  assert.equal(journal.commitCount, 1);
});

Deno.test("AttemptJournal hands an attempt and its result to the next process, until it is forgotten", async () => {
  await using folder = await TestFolder.create();
  const [finished, cutOff, failed] = [newAttempt(), newAttempt(3), newAttempt()];
  const failure = {
    ...resultOf(failed),
    success: false,
    outputJson: new Uint8Array(),
    errorCode: "a",
    error: "Because.",
  };
  let id: string;
  {
    await using journal = await AttemptJournal.open(folder.path);
    id = journal.id;
    assert.deepEqual(journal.load(), { interrupted: [], finished: [] });
    await Promise.all([finished, cutOff, failed].map((name) => journal.start(name)));
    journal.finish(finished, resultOf(finished));
    journal.finish(failed, failure);
  }
  {
    await using journal = await AttemptJournal.open(folder.path);
    assert.equal(journal.id, id);
    assert.deepEqual(journal.load(), {
      interrupted: [cutOff],
      finished: [{ name: finished, result: resultOf(finished) }, { name: failed, result: failure }],
    });
    for (const name of [finished, cutOff, failed]) {
      assert.ok(journal.holds(name));
      journal.forget(name);
      assert.ok(!journal.holds(name));
    }
  }
  await using journal = await AttemptJournal.open(folder.path);
  assert.equal(journal.id, id);
  assert.deepEqual(journal.load(), { interrupted: [], finished: [] });
});

Deno.test("AttemptJournal writes one row for an attempt that ends before its start is on the disk", async () => {
  await using folder = await TestFolder.create();
  const name = newAttempt();
  {
    await using journal = await AttemptJournal.open(folder.path);
    const started = journal.start(name);
    journal.finish(name, resultOf(name));
    await started;
    assert.deepEqual(onDisk(folder), [[name.requestId, 1, true]]);
    assert.equal(journal.commitCount, 1);
  }
  await using journal = await AttemptJournal.open(folder.path);
  assert.deepEqual(journal.load().finished, [{ name, result: resultOf(name) }]);
});

Deno.test("AttemptJournal.forget() shares the next commit, and costs none for an attempt that is not held", async () => {
  await using folder = await TestFolder.create();
  await using journal = await AttemptJournal.open(folder.path);
  const [first, second] = [newAttempt(), newAttempt()];
  await journal.start(first);
  journal.forget(first);
  journal.forget(newAttempt());
  journal.forget({ ...first, attempt: 2 });
  await journal.start(second);
  assert.deepEqual(onDisk(folder), [[second.requestId, 1, false]]);
  assert.equal(journal.commitCount, 2);
});

Deno.test("AttemptJournal.forget() makes a commit of its own when no other comes", async () => {
  await using folder = await TestFolder.create();
  await using journal = await AttemptJournal.open(folder.path);
  const attempts = Array.from({ length: 3 }, () => newAttempt());
  await Promise.all(attempts.map((name) => journal.start(name)));
  for (const name of attempts) journal.forget(name);
  while (journal.commitCount < 2) {
    // deno-lint-ignore no-await-in-loop -- until the journal's own timer has fired
    await new Promise<void>((resolve) => setTimeout(resolve));
  }
  assert.deepEqual(onDisk(folder), []);
});

Deno.test("AttemptJournal.close() writes what waits, leaves one file, and takes nothing afterwards", async () => {
  await using folder = await TestFolder.create();
  const journal = await AttemptJournal.open(folder.path);
  const [name, late] = [newAttempt(), newAttempt()];
  await journal.start(name);
  const closing = [journal.close(), journal.close()];
  journal.finish(name, resultOf(name));
  await Promise.all(closing);
  await assert.rejects(journal.start(late), { code: "shutting_down" });
  journal.finish(late, resultOf(late));
  journal.forget(name);
  assert.deepEqual(await folder.names(), [JOURNAL_MARK_FILE, JOURNAL_FILE]);
  assert.deepEqual(onDisk(folder), [[name.requestId, 1, true]]);
});

Deno.test("AttemptJournal writes each change once, and goes on after a commit that failed half way", async () => {
  await using folder = await TestFolder.create();
  await using journal = await AttemptJournal.open(folder.path);
  const [first, refused, next] = [newAttempt(), newAttempt(), newAttempt()];
  await journal.start(first);
  const other = new DatabaseSync(join(folder.path, JOURNAL_FILE));
  try {
    other.exec("DELETE FROM attempts; ALTER TABLE attempts RENAME TO elsewhere");
    await assert.rejects(journal.start(refused), { code: "state_read_only" });
    other.exec("ALTER TABLE elsewhere RENAME TO attempts");
    await journal.start(next);
  } finally {
    other.close();
  }
  assert.deepEqual(onDisk(folder), [[next.requestId, 1, false]]);
});

Deno.test("AttemptJournal refuses starts while it cannot be written, and keeps the rest until it can", async () => {
  await using folder = await TestFolder.create();
  await using journal = await AttemptJournal.open(folder.path);
  const [held, done, refused, next] = [newAttempt(), newAttempt(), newAttempt(), newAttempt()];
  await Promise.all([journal.start(held), journal.start(done)]);
  const other = new DatabaseSync(join(folder.path, JOURNAL_FILE));
  other.exec("BEGIN IMMEDIATE");
  journal.finish(held, resultOf(held));
  journal.forget(done);
  await assert.rejects(journal.start(refused), (error) => {
    assert.ok(error instanceof PalyraError);
    assert.equal(error.code, "state_read_only");
    assert.match(error.message, /nothing was run/);
    assert.ok(!error.message.includes(folder.path), "a peer is not told of folders");
    return true;
  });
  assert.ok(journal.holds(held) && !journal.holds(refused));
  other.exec("ROLLBACK");
  other.close();
  await journal.start(next);
  assert.deepEqual(onDisk(folder), [[held.requestId, 1, true], [next.requestId, 1, false]]);
});
