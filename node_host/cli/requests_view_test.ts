import assert from "node:assert/strict";
import { unixMs } from "../../identity/unix_ms.ts";
import {
  eventJson,
  eventLines,
  questionBlock,
  questionJson,
  rememberedJson,
  rememberedLines,
} from "./requests_view.ts";

const NOW = unixMs(1_700_000_000_000);

const QUESTION = {
  id: "k7q2fm",
  capability: "desktop.open_path",
  summary: "open the file /srv/a.pdf",
  requestedBy: "ops (01J9ZK3V5W8Q2X4Y6T7R1M0N3P)",
  requestId: "01M84QNGJ907HECH4JTCE6GMW7",
  scope: { kind: "folder", value: "/srv" },
  askedAt: NOW,
  expiresAt: unixMs(NOW + 120_000),
} as const;

const ANSWER = {
  id: "abc123",
  capability: "desktop.open_url",
  scope: { kind: "origin", value: "https://example.com" },
  requestedBy: "ops",
  allowed: false,
  lasting: true,
  answeredAt: NOW,
} as const;

Deno.test("questionBlock() shows all of a question, and what an answer would cover", () => {
  assert.deepEqual(questionBlock(QUESTION, NOW), [
    "  question    k7q2fm",
    "  asked by    ops (01J9ZK3V5W8Q2X4Y6T7R1M0N3P)",
    "  request     01M84QNGJ907HECH4JTCE6GMW7",
    "  capability  desktop.open_path",
    "  would       open the file /srv/a.pdf",
    "  covers      /srv and the files directly in it, if you have it remembered",
    "  runs out    in 2 min; no answer means no",
    "",
  ]);
});

Deno.test("questionBlock() and questionJson() let nothing through that acts on a terminal", () => {
  const hostile = "\u001b[2J\u202e\u009b2J\n";
  const question = {
    ...QUESTION,
    summary: hostile,
    requestedBy: hostile,
    requestId: hostile,
    capability: hostile,
    scope: { kind: "folder", value: hostile },
  } as const;
  for (const line of questionBlock(question, NOW)) assert.doesNotMatch(line, /\p{C}/u);
  assert.doesNotMatch(JSON.stringify(questionJson({ ...question, requestId: QUESTION.requestId })), /\p{C}/u);
});

Deno.test("questionJson() and eventJson() have stable names", () => {
  const question = questionJson(QUESTION);
  assert.deepEqual(question, {
    id: "k7q2fm",
    capability: "desktop.open_path",
    would: "open the file /srv/a.pdf",
    requested_by: "ops (01J9ZK3V5W8Q2X4Y6T7R1M0N3P)",
    request_id: "01M84QNGJ907HECH4JTCE6GMW7",
    scope: { kind: "folder", value: "/srv" },
    answers: ["once", "session", "always", "no", "never"],
    asked_at_unix_ms: NOW,
    expires_at_unix_ms: NOW + 120_000,
  });
  assert.deepEqual(eventJson({ kind: "asked", question: QUESTION }), { event: "asked", question });
  assert.deepEqual(eventJson({ kind: "ended", id: "k7q2fm", end: "answered", answer: "no", by: "terminal" }), {
    event: "ended",
    id: "k7q2fm",
    end: "answered",
    answer: "no",
    by: "terminal",
  });
});

Deno.test("eventLines() tells what became of a question", () => {
  const ended = (end: "answered" | "timed_out" | "withdrawn") =>
    eventLines(
      { kind: "ended", id: "k7q2fm", end, ...(end === "answered" && { answer: "once", by: "terminal" }) },
      NOW,
    );
  assert.deepEqual(ended("answered"), ["  k7q2fm      answered: once, on the terminal", ""]);
  assert.match(ended("timed_out")[0] ?? "", /no answer came in time/);
  assert.match(ended("withdrawn")[0] ?? "", /withdrawn/);
});

Deno.test("rememberedLines() and rememberedJson() tell what is covered and for how long", () => {
  const [, line] = rememberedLines([ANSWER], NOW);
  assert.match(line ?? "", /^abc123 +no +desktop\.open_url +https:\/\/example\.com +ops +always +now$/);
  assert.deepEqual(rememberedJson(ANSWER), {
    id: "abc123",
    allowed: false,
    lasting: true,
    capability: "desktop.open_url",
    scope: { kind: "origin", value: "https://example.com" },
    requested_by: "ops",
    answered_at_unix_ms: NOW,
  });
});
