import assert from "node:assert/strict";
import { join } from "node:path";
import { unixMs } from "../../identity/unix_ms.ts";
import { TestFolder } from "../testing/test_folder.ts";
import { MAX_REMEMBERED_ANSWERS, RememberedAnswers, type RememberedFor } from "./remembered_answers.ts";

const EXAMPLE: RememberedFor = {
  capability: "desktop.open_url",
  scope: { kind: "origin", value: "https://example.com" },
  requestedBy: "ops",
};

const clock = () => unixMs(1_700_000_000_000);

function fileOf(folder: TestFolder): string {
  return join(folder.path, "remembered-answers.json");
}

Deno.test("RememberedAnswers.find() covers exactly what was asked about", async () => {
  await using folder = await TestFolder.create();
  const answers = await RememberedAnswers.load(folder.path, clock);
  await answers.remember(EXAMPLE, true, true);
  assert.equal(answers.find({ ...EXAMPLE })?.allowed, true);
  const others: Partial<RememberedFor>[] = [
    { capability: "desktop.open_path" },
    { requestedBy: "another" },
    { scope: { kind: "origin", value: "http://example.com" } },
    { scope: { kind: "origin", value: "https://example.com:8443" } },
    { scope: { kind: "origin", value: "https://www.example.com" } },
    { scope: { kind: "folder", value: "https://example.com" } },
  ];
  for (const other of others) assert.equal(answers.find({ ...EXAMPLE, ...other }), undefined, JSON.stringify(other));
});

Deno.test("RememberedAnswers keeps lasting answers across a restart, in a private file, and no others", async () => {
  await using folder = await TestFolder.create();
  const before = await RememberedAnswers.load(folder.path, clock);
  const folderScope = { kind: "folder", value: "/home/ü" } as const;
  await Promise.all([
    before.remember(EXAMPLE, true, true),
    before.remember({ ...EXAMPLE, capability: "echo" }, true, false),
    before.remember({ ...EXAMPLE, scope: folderScope }, false, true),
  ]);
  assert.equal(((await Deno.stat(fileOf(folder))).mode ?? 0) & 0o777, 0o600);
  const after = await RememberedAnswers.load(folder.path);
  assert.deepEqual(after.all, before.all.filter(({ lasting }) => lasting));
  assert.deepEqual(after.all.map(({ allowed, scope }) => [allowed, scope]), [
    [true, EXAMPLE.scope],
    [false, folderScope],
  ]);
});

Deno.test("RememberedAnswers.remember() puts a newer answer in place of the earlier one", async () => {
  await using folder = await TestFolder.create();
  const answers = await RememberedAnswers.load(folder.path, clock);
  await answers.remember(EXAMPLE, true, true);
  await answers.remember(EXAMPLE, false, true);
  assert.deepEqual(answers.all.map(({ allowed }) => allowed), [false]);
  assert.deepEqual((await RememberedAnswers.load(folder.path)).all, answers.all);
});

Deno.test("RememberedAnswers.forget() withdraws what is named, or nothing", async () => {
  await using folder = await TestFolder.create();
  const answers = await RememberedAnswers.load(folder.path, clock);
  await answers.remember(EXAMPLE, true, true);
  await answers.remember({ ...EXAMPLE, requestedBy: "another" }, true, false);
  const [lasting, ofSession] = answers.all;
  assert.ok(lasting !== undefined && ofSession !== undefined);
  await assert.rejects(answers.forget([lasting.id, "zzzzzz"]), { code: "question_not_found" });
  assert.equal(answers.all.length, 2);
  assert.deepEqual(await answers.forget([lasting.id, ofSession.id]), [lasting, ofSession]);
  assert.deepEqual(answers.all, []);
  assert.deepEqual((await RememberedAnswers.load(folder.path)).all, []);
});

Deno.test("RememberedAnswers are bounded: what finds no room in the file holds until the stop at most", async () => {
  await using folder = await TestFolder.create();
  const answers = await RememberedAnswers.load(folder.path, clock);
  const longFolder = (number: number): RememberedFor => ({
    ...EXAMPLE,
    scope: { kind: "folder", value: `/${number}${"a".repeat(4_000)}` },
  });
  for (let number = 0; number < 20; number++) {
    // deno-lint-ignore no-await-in-loop -- each one finds less room than the one before
    await answers.remember(longFolder(number), false, true);
  }
  const lasting = answers.all.filter((answer) => answer.lasting).length;
  assert.ok(lasting >= 10 && lasting < 20, `${lasting}`);
  assert.equal(answers.find(longFolder(19))?.allowed, false);
  assert.equal((await RememberedAnswers.load(folder.path)).all.length, lasting);
  for (let number = 0; number < MAX_REMEMBERED_ANSWERS; number++) {
    // deno-lint-ignore no-await-in-loop -- the order decides which ones are kept
    await answers.remember({ ...EXAMPLE, requestedBy: `${number}` }, true, false);
  }
  assert.equal(answers.all.length, MAX_REMEMBERED_ANSWERS);
  assert.equal(answers.all.filter((answer) => answer.lasting).length, lasting, "a lasting refusal made room");
  assert.equal(answers.find({ ...EXAMPLE, requestedBy: `${MAX_REMEMBERED_ANSWERS - 1}` })?.allowed, true);
});

Deno.test("RememberedAnswers.load() refuses a file that it did not write, and leaves it", async () => {
  await using folder = await TestFolder.create();
  const valid = {
    schema_version: 1,
    answers: [{
      id: "abc123",
      capability: "desktop.open_url",
      scope_kind: "origin",
      scope_value: "https://example.com",
      requested_by: "ops",
      allowed: true,
      answered_at_unix_ms: 1,
    }],
  };
  const [answer] = valid.answers;
  const damaged = [
    "",
    "{",
    JSON.stringify({ ...valid, answers: "all" }),
    JSON.stringify({ ...valid, answers: [{ ...answer, allowed: "true" }] }),
    JSON.stringify({ ...valid, answers: [{ ...answer, scope_kind: "everything" }] }),
    JSON.stringify({ ...valid, answers: [{ ...answer, id: "../../etc" }] }),
    JSON.stringify({ ...valid, answers: Array.from({ length: MAX_REMEMBERED_ANSWERS + 1 }, () => answer) }),
  ];
  for (const text of damaged) {
    // deno-lint-ignore no-await-in-loop -- one file, one content after the other
    await Deno.writeTextFile(fileOf(folder), text);
    // deno-lint-ignore no-await-in-loop -- as above
    await assert.rejects(RememberedAnswers.load(folder.path), {
      code: "state_damaged",
      message: /remove it to be asked/,
    });
    // deno-lint-ignore no-await-in-loop -- as above
    assert.equal(await Deno.readTextFile(fileOf(folder)), text);
  }
  await Deno.writeTextFile(fileOf(folder), JSON.stringify(valid));
  assert.equal((await RememberedAnswers.load(folder.path)).all.length, 1);
});

Deno.test("RememberedAnswers.remember() holds until the stop what the disk does not take", async () => {
  await using folder = await TestFolder.create();
  const answers = await RememberedAnswers.load(folder.path, clock);
  // A folder in the file's place: root may write anywhere else.
  await Deno.mkdir(fileOf(folder));
  await answers.remember(EXAMPLE, false, true);
  assert.deepEqual(answers.all.map(({ allowed, lasting }) => [allowed, lasting]), [[false, false]]);
  await Deno.remove(fileOf(folder));
  await answers.remember(EXAMPLE, false, true);
  assert.deepEqual((await RememberedAnswers.load(folder.path)).all, answers.all);
});
