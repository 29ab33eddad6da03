import * as v from "valibot";
import { CONSENT_SCOPE_KINDS } from "../capabilities/consent_scope.ts";
import { Moment } from "../state_fields.ts";
import { ANSWERS } from "./question.ts";
import { SHORT_ID } from "./short_id.ts";

/** The longest line that a command may send, in bytes. */
export const MAX_ORDER_BYTES: number = 16 * 1024;

/** The longest line that the host may answer, in bytes: as many questions as may wait, each as long as may be. */
export const MAX_REPLY_BYTES: number = 4 * 1024 * 1024;

const ShortId = v.pipe(v.string(), v.regex(SHORT_ID));
const Secret = v.optional(v.pipe(v.string(), v.maxLength(128)));

/** What a command asks of the host: one line on a connection of its own. */
export const OrderSchema = v.variant("op", [
  v.strictObject({ secret: Secret, op: v.literal("list") }),
  v.strictObject({ secret: Secret, op: v.literal("watch") }),
  v.strictObject({ secret: Secret, op: v.literal("answer"), id: ShortId, answer: v.picklist(ANSWERS) }),
  v.strictObject({ secret: Secret, op: v.literal("remembered") }),
  v.strictObject({
    secret: Secret,
    op: v.literal("forget"),
    ids: v.pipe(v.array(ShortId), v.minLength(1), v.maxLength(256)),
  }),
]);

/** An order that passed {@linkcode OrderSchema}. */
export type ChannelOrder = v.InferOutput<typeof OrderSchema>;

const ScopeSchema = v.object({ kind: v.picklist(CONSENT_SCOPE_KINDS), value: v.string() });

const QuestionSchema = v.object({
  id: ShortId,
  capability: v.string(),
  summary: v.string(),
  requestedBy: v.string(),
  requestId: v.optional(v.string()),
  scope: ScopeSchema,
  askedAt: Moment,
  expiresAt: Moment,
});

const RememberedSchema = v.object({
  id: ShortId,
  capability: v.string(),
  scope: ScopeSchema,
  requestedBy: v.string(),
  allowed: v.boolean(),
  lasting: v.boolean(),
  answeredAt: Moment,
});

const AnsweredBySchema = v.picklist(["terminal", "command", "rule"]);

/** What the host answers: one line, or for `watch` a line for each event. */
export const ReplySchema = v.variant("kind", [
  v.object({ kind: v.literal("questions"), questions: v.array(QuestionSchema) }),
  v.object({ kind: v.literal("remembered"), answers: v.array(RememberedSchema) }),
  v.object({ kind: v.literal("done") }),
  v.object({ kind: v.literal("error"), code: v.string(), message: v.string() }),
  v.object({ kind: v.literal("asked"), question: QuestionSchema }),
  v.object({
    kind: v.literal("ended"),
    id: ShortId,
    end: v.picklist(["answered", "timed_out", "withdrawn"]),
    answer: v.optional(v.picklist(ANSWERS)),
    by: v.optional(AnsweredBySchema),
  }),
]);

/** A reply that passed {@linkcode ReplySchema}. */
export type ChannelReply = v.InferOutput<typeof ReplySchema>;

/** A reply before it was a line. */
export type OutgoingReply = v.InferInput<typeof ReplySchema>;
