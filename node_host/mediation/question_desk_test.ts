import assert from "node:assert/strict";
import type { ConsentScope } from "../capabilities/consent_scope.ts";
import { PalyraError } from "../../identity/palyra_error.ts";
import { systemClock, unixMs } from "../../identity/unix_ms.ts";
import { MAX_WAITING_QUESTIONS, QuestionDesk, type QuestionDraft, type QuestionEvent } from "./question_desk.ts";
import { SHORT_ID } from "./short_id.ts";

const NOT_ABORTED = new AbortController().signal;

function draft(changes: Partial<QuestionDraft> = {}): QuestionDraft {
  return {
    capability: "desktop.open_url",
    summary: "open https://example.com/",
    requestedBy: "ops",
    requestId: "01J9ZK3V5W8Q2X4Y6T7R1M0N3P",
    scope: { kind: "origin", value: "https://example.com" },
    expiresAt: unixMs(systemClock() + 60_000),
    ...changes,
  };
}

function ignore(): void {}

/** The id of the newest question. */
function newestId(desk: QuestionDesk): string {
  const id = desk.waiting.at(-1)?.id;
  assert.ok(id !== undefined && SHORT_ID.test(id));
  return id;
}

Deno.test("QuestionDesk.ask() resolves with the first answer, and takes no second one", async () => {
  const desk = new QuestionDesk();
  const events: string[] = [];
  desk.watch((event) => events.push(event.kind === "asked" ? "asked" : JSON.stringify(event.end)));
  const answer = desk.ask(draft(), NOT_ABORTED, () => events.push("told"));
  const id = newestId(desk);
  desk.answer(id, "session", "command");
  assert.throws(() => desk.answer(id, "no", "terminal"), { code: "question_not_found" });
  assert.equal(await answer, "session");
  assert.deepEqual(desk.waiting, []);
  assert.deepEqual(events, ["told", "asked", '{"kind":"answered","answer":"session","by":"command"}']);
});

Deno.test("QuestionDesk.ask() shows nothing that could mislead", async () => {
  const desk = new QuestionDesk();
  const canceller = new AbortController();
  const hostile = draft({ summary: "open \u202ehttps://a/\u001b[2J\n[y]", requestedBy: "ops\u200b" });
  const asked = desk.ask(hostile, canceller.signal, ignore);
  const [question] = desk.waiting;
  assert.equal(question?.summary, "open \\u{202e}https://a/\\u{1b}[2J\\n[y]");
  assert.equal(question?.requestedBy, "ops\\u{200b}");
  canceller.abort(new PalyraError("cancelled", "over"));
  await assert.rejects(asked, { code: "cancelled" });
});

Deno.test("QuestionDesk.ask() ends with mediation_timed_out when nobody answers", async () => {
  const desk = new QuestionDesk();
  const events: QuestionEvent[] = [];
  desk.watch((event) => events.push(event));
  const expiresAt = unixMs(systemClock() + 5);
  await assert.rejects(desk.ask(draft({ expiresAt }), NOT_ABORTED, ignore), { code: "mediation_timed_out" });
  assert.deepEqual(events.map((event) => event.kind === "ended" && event.end.kind), [false, "timed_out"]);
  assert.deepEqual(desk.waiting, []);
});

Deno.test("QuestionDesk.answer() takes no answer that is late by the clock, though the timer has not fired", async () => {
  let now = 1_700_000_000_000;
  const desk = new QuestionDesk(() => unixMs(now));
  const canceller = new AbortController();
  const asked = desk.ask(draft({ expiresAt: unixMs(now + 60_000) }), canceller.signal, ignore);
  const id = newestId(desk);
  now += 60_000;
  assert.throws(() => desk.answer(id, "once", "terminal"), { code: "question_not_found" });
  canceller.abort(new PalyraError("deadline_exceeded", "over"));
  await assert.rejects(asked, { code: "deadline_exceeded" });
});

Deno.test("QuestionDesk.ask() is withdrawn by its signal, and asks nothing when that is aborted already", async () => {
  const desk = new QuestionDesk();
  const canceller = new AbortController();
  const asked = desk.ask(draft(), canceller.signal, ignore);
  const id = newestId(desk);
  canceller.abort(new PalyraError("cancelled", "The daemon does not want it any more."));
  await assert.rejects(asked, { code: "cancelled" });
  assert.throws(() => desk.answer(id, "once", "command"), { code: "question_not_found" });
  await assert.rejects(desk.ask(draft(), canceller.signal, () => assert.fail("it asked")), { code: "cancelled" });
});

Deno.test("QuestionDesk.ask() is bounded, and one that ends makes room", async () => {
  const desk = new QuestionDesk();
  const asked = Array.from({ length: MAX_WAITING_QUESTIONS }, () => desk.ask(draft(), NOT_ABORTED, ignore));
  await assert.rejects(desk.ask(draft(), NOT_ABORTED, () => assert.fail("it asked")), { code: "too_many_questions" });
  assert.equal(new Set(desk.waiting.map(({ id }) => id)).size, MAX_WAITING_QUESTIONS);
  desk.answer(newestId(desk), "no", "command");
  const another = desk.ask(draft(), NOT_ABORTED, ignore);
  const closing = assert.rejects(another, { code: "shutting_down" });
  desk.close(new PalyraError("shutting_down", "palyra-node stops."));
  await closing;
  const ends = await Promise.allSettled(asked);
  assert.equal(ends.filter(({ status }) => status === "fulfilled").length, 1);
  await assert.rejects(desk.ask(draft(), NOT_ABORTED, ignore), { code: "shutting_down" });
});

Deno.test("QuestionDesk.answer() offers no lasting answer for a single input", async () => {
  const desk = new QuestionDesk();
  const scope: ConsentScope = { kind: "input", value: "0".repeat(64) };
  const asked = desk.ask(draft({ scope }), NOT_ABORTED, ignore);
  const id = newestId(desk);
  for (const answer of ["always", "never"] as const) {
    assert.throws(() => desk.answer(id, answer, "terminal"), { code: "invalid_argument" });
  }
  desk.answer(id, "once", "terminal");
  assert.equal(await asked, "once");
});
