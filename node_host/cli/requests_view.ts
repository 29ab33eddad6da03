import type { UnixMs } from "../../identity/unix_ms.ts";
import { coloursFor, relativeTime, tableLines, terminalWidth } from "../../transport/program/mod.ts";
import {
  answersTo,
  type ChannelReply,
  DEFAULT_WIDTH,
  fieldLines,
  questionLines,
  type RememberedAnswer,
  scopeText,
  visibleText,
} from "../mediation/mod.ts";

/** A question as the host tells it. */
type ToldQuestion = Extract<ChannelReply, { kind: "asked" }>["question"];

/** A question as people read it, with what an answer would cover and when its time is over, and a blank line. */
export function questionBlock(told: ToldQuestion, now: UnixMs): string[] {
  const width = terminalWidth() ?? DEFAULT_WIDTH;
  // What came from the host is shown as if anybody had sent it.
  const question = {
    ...told,
    capability: visibleText(told.capability),
    summary: visibleText(told.summary),
    requestedBy: visibleText(told.requestedBy),
    requestId: told.requestId === undefined ? undefined : visibleText(told.requestId),
  };
  return [
    ...questionLines(question, { width, colours: coloursFor(Deno.stdout) }),
    ...fieldLines("covers", `${visibleText(scopeText(told.scope))}, if you have it remembered`, width),
    ...fieldLines("runs out", `${relativeTime(told.expiresAt, now)}; no answer means no`, width),
    "",
  ];
}

/** A question as `--json` prints it. */
export function questionJson(question: ToldQuestion): Readonly<Record<string, unknown>> {
  return {
    id: question.id,
    capability: visibleText(question.capability),
    would: visibleText(question.summary),
    requested_by: visibleText(question.requestedBy),
    request_id: question.requestId ?? null,
    scope: scopeJson(question),
    answers: answersTo(question),
    asked_at_unix_ms: question.askedAt,
    expires_at_unix_ms: question.expiresAt,
  };
}

/** What `watch` says of an event. */
export function eventLines(reply: ChannelReply, now: UnixMs): string[] {
  if (reply.kind === "asked") return questionBlock(reply.question, now);
  return reply.kind === "ended" ? [`  ${reply.id}      ${endText(reply)}`, ""] : [];
}

/** An event as `watch --json` prints it. */
export function eventJson(reply: ChannelReply): Readonly<Record<string, unknown>> {
  if (reply.kind === "asked") return { event: "asked", question: questionJson(reply.question) };
  if (reply.kind !== "ended") return { event: reply.kind };
  return { event: "ended", id: reply.id, end: reply.end, answer: reply.answer ?? null, by: reply.by ?? null };
}

/** The remembered answers as a table. */
export function rememberedLines(answers: readonly RememberedAnswer[], now: UnixMs): string[] {
  const { bold, green, yellow } = coloursFor(Deno.stdout);
  return tableLines({
    columns: [
      { title: "ID" },
      { title: "ANSWER", paint: (shown, cell) => cell === "yes" ? green(shown) : yellow(shown) },
      { title: "CAPABILITY" },
      { title: "COVERS" },
      { title: "ASKED BY" },
      { title: "HOLDS" },
      { title: "GIVEN" },
    ],
    rows: answers.map((answer) => [
      answer.id,
      answer.allowed ? "yes" : "no",
      answer.capability,
      visibleText(scopeText(answer.scope)),
      visibleText(answer.requestedBy),
      answer.lasting ? "always" : "until it stops",
      relativeTime(answer.answeredAt, now),
    ]),
    width: terminalWidth(),
    paintTitle: bold,
  });
}

/** A remembered answer as `--json` prints it. */
export function rememberedJson(answer: RememberedAnswer): Readonly<Record<string, unknown>> {
  return {
    id: answer.id,
    allowed: answer.allowed,
    lasting: answer.lasting,
    capability: answer.capability,
    scope: scopeJson(answer),
    requested_by: visibleText(answer.requestedBy),
    answered_at_unix_ms: answer.answeredAt,
  };
}

function scopeJson({ scope: { kind, value } }: Pick<ToldQuestion, "scope">): Readonly<Record<string, unknown>> {
  return { kind, value: visibleText(value) };
}

function endText({ end, answer, by }: Extract<ChannelReply, { kind: "ended" }>): string {
  switch (end) {
    case "answered":
      return `answered: ${answer}${by === "terminal" ? ", on the terminal" : ""}`;
    case "timed_out":
      return "no answer came in time: it does not run";
    case "withdrawn":
      return "withdrawn: nobody waits for the answer any more";
  }
}
