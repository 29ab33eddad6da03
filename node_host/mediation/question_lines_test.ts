import assert from "node:assert/strict";
import { unixMs } from "../../identity/unix_ms.ts";
import { displayWidth } from "../../transport/program/display_width.ts";
import type { Question } from "./question.ts";
import { answerLines, brokenToWidth, questionLines } from "./question_lines.ts";

function question(changes: Partial<Question> = {}): Question {
  return {
    id: "k7q2fm",
    capability: "desktop.open_url",
    summary: "open https://example.com/",
    requestedBy: "ops (01J9ZK3V5W8Q2X4Y6T7R1M0N3P)",
    requestId: "01M84QNGJ907HECH4JTCE6GMW7",
    scope: { kind: "origin", value: "https://example.com" },
    askedAt: unixMs(0),
    expiresAt: unixMs(120_000),
    ...changes,
  };
}

Deno.test("questionLines() says who asks for what and what would happen", () => {
  assert.deepEqual(questionLines(question()), [
    "  question    k7q2fm",
    "  asked by    ops (01J9ZK3V5W8Q2X4Y6T7R1M0N3P)",
    "  request     01M84QNGJ907HECH4JTCE6GMW7",
    "  capability  desktop.open_url",
    "  would       open https://example.com/",
  ]);
});

Deno.test("questionLines() shows a long input in full, on lines of its own width", () => {
  const summary = `open https://example.com/${"0123456789".repeat(800)}`;
  const lines = questionLines(question({ summary }), { width: 60 });
  assert.ok(lines.every((line) => displayWidth(line) <= 60 && line.startsWith("  ")));
  assert.equal(lines.slice(4).map((line) => line.slice(14)).join(""), summary);
});

Deno.test("questionLines() spells out what is not ASCII", () => {
  const lines = questionLines(question({ summary: "open the file /srv/ex\u0430mple.txt" }));
  assert.equal(lines.at(-1), "  spelled     open the file /srv/ex\\u{430}mple.txt");
});

Deno.test("answerLines() tells how far each answer reaches", () => {
  const lettersOf = (shown: Question) => answerLines(shown, (answer) => answer, 80);
  assert.deepEqual(lettersOf(question({ scope: { kind: "folder", value: "/srv/a\u200bb" } })), [
    "  once        yes, this once",
    "  session     yes, until palyra-node stops: /srv/a\\u{200b}b and the files direct",
    "              ly in it",
    "  always      yes, always: /srv/a\\u{200b}b and the files directly in it",
    "  no          no",
    "  never       no, never again: /srv/a\\u{200b}b and the files directly in it",
  ]);
  assert.deepEqual(lettersOf(question({ scope: { kind: "input", value: "00" } })), [
    "  once        yes, this once",
    "  session     yes, until palyra-node stops: exactly this input",
    "  no          no",
  ]);
});

Deno.test("brokenToWidth() breaks between characters and loses none", () => {
  assert.deepEqual(brokenToWidth("", 4), [""]);
  assert.deepEqual(brokenToWidth("abcdefgh", 4), ["abcd", "efgh"]);
  assert.deepEqual(brokenToWidth("日本語", 4), ["日本", "語"]);
  assert.deepEqual(brokenToWidth("日", 1), ["日"]);
  assert.deepEqual(brokenToWidth("abe\u0301c", 3), ["abe\u0301", "c"]);
  assert.deepEqual(brokenToWidth("ééé", 4), ["éé", "é"], "one or two cells, as the terminal likes");
});
