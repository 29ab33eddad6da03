import * as v from "valibot";
import { PalyraError } from "../../../identity/palyra_error.ts";

/**
 * What a line of a child's standard output begins with when it is a message. Any other line is something that the
 * owner's code printed.
 */
export const MESSAGE_MARK = "\u0001";

/** The longest text of a failure, in characters. */
export const MAX_FAILURE_CHARACTERS = 4_000;

const FailureText = v.pipe(v.string(), v.maxLength(MAX_FAILURE_CHARACTERS));

const ChildMessageSchema = v.variant("kind", [
  v.object({ kind: v.literal("definition"), definition: v.unknown() }),
  v.object({ kind: v.literal("output"), output: v.unknown() }),
  v.object({ kind: v.literal("progress"), payload: v.unknown() }),
  v.object({
    kind: v.literal("failed"),
    /** What the owner's code means its failure to be, or how its output does not serve. */
    code: v.picklist([
      "invalid_input",
      "execution_failed",
      "invalid_output",
      "output_too_large",
      "not_capable",
      "other",
    ]),
    message: FailureText,
    stack: FailureText,
  }),
]);

/** What a child says. The owner's code runs beside what writes it, so nothing in it is to be believed. */
export type ChildMessage = v.InferOutput<typeof ChildMessageSchema>;

/** A failure as the owner's code reported it. */
export type ChildFailure = Extract<ChildMessage, { readonly kind: "failed" }>;

/** What a child says last. */
export type ChildResult = Exclude<ChildMessage, { readonly kind: "progress" }>;

/** Reads a message, without its mark. Throws `execution_failed` when a child would never say that. */
export function parseChildMessage(text: string): ChildMessage {
  const parsed = v.safeParse(ChildMessageSchema, parseJson(text));
  if (parsed.success) return parsed.output;
  throw new PalyraError("execution_failed", "The capability wrote what no capability writes; correct its file.");
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
