import assert from "node:assert/strict";
import { join } from "node:path";
import { attemptRef } from "../dispatch.ts";
import { newRequestId } from "../testing/test_node.ts";
import { TestFolder } from "../testing/test_folder.ts";
import { AttemptJournal } from "./attempt_journal.ts";
import { DAMAGED_JOURNAL_FILE, JOURNAL_FILE } from "./journal_file.ts";
import { JOURNAL_MARK_FILE } from "./journal_mark.ts";
import { readJournalSummary } from "./journal_summary.ts";

Deno.test("readJournalSummary() counts while the host runs and after it, and changes nothing", async () => {
  await using folder = await TestFolder.create();
  assert.equal(await readJournalSummary(folder.path), undefined);
  const journal = await AttemptJournal.open(folder.path);
  const names = [1, 2, 3].map((attempt) => ({ requestId: newRequestId(), attempt }));
  const [first] = names;
  assert.ok(first);
  await Promise.all(names.map((name) => journal.start(name)));
  assert.deepEqual((await readJournalSummary(folder.path))?.counts, { attempts: 3, finished: 0 });
  const noOutput = new Uint8Array();
  journal.finish(first, {
    attempt: attemptRef(first),
    success: false,
    outputJson: noOutput,
    errorCode: "x",
    error: "",
  });
  await journal.close();
  const counted = { counts: { attempts: 3, finished: 1 }, setAside: undefined };
  assert.deepEqual(await readJournalSummary(folder.path), counted);
  assert.deepEqual(await folder.names(), [JOURNAL_MARK_FILE, JOURNAL_FILE]);
});

Deno.test("readJournalSummary() says when a journal cannot be read, and where a damaged one lies", async () => {
  await using folder = await TestFolder.create();
  await Deno.writeTextFile(join(folder.path, JOURNAL_FILE), "x".repeat(2_000));
  const setAside = join(folder.path, DAMAGED_JOURNAL_FILE);
  await Deno.writeTextFile(setAside, "");
  assert.deepEqual(await readJournalSummary(folder.path), { counts: undefined, setAside });
  await Deno.remove(join(folder.path, JOURNAL_FILE));
  assert.deepEqual(await readJournalSummary(folder.path), { counts: undefined, setAside });
});
