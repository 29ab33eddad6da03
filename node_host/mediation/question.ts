import type { ConsentScope } from "../capabilities/consent_scope.ts";
import type { UnixMs } from "../../identity/unix_ms.ts";

/** What the owner may say: yes or no to this one, or a rule for what lies in its scope. */
export const ANSWERS = ["once", "session", "always", "no", "never"] as const;

/** The owner's answer. `session` holds until palyra-node stops, `always` and `never` until they are withdrawn. */
export type Answer = typeof ANSWERS[number];

/** A question to the owner. Its texts are safe to show. */
export interface Question {
  /** Made here and not by the daemon, which could otherwise have one question answered in place of another. */
  readonly id: string;
  readonly capability: string;
  /** What would happen, in full. */
  readonly summary: string;
  /** Who asked, as the daemon says. */
  readonly requestedBy: string;
  /** By what the daemon's operator knows the request; undefined when it has no name. */
  readonly requestId: string | undefined;
  readonly scope: ConsentScope;
  readonly askedAt: UnixMs;
  /** From then on the answer is no. */
  readonly expiresAt: UnixMs;
}

/** The answers that a question takes: rules that outlive the process need a scope wider than one input. */
export function answersTo({ scope }: Pick<Question, "scope">): readonly Answer[] {
  return scope.kind === "input" ? ["once", "session", "no"] : ANSWERS;
}

/** Whether the request runs. */
export function isConsent(answer: Answer): boolean {
  return answer === "once" || answer === "session" || answer === "always";
}

/** A scope in the words of the question: what a remembered answer covers. Not yet safe to show. */
export function scopeText(scope: ConsentScope): string {
  switch (scope.kind) {
    case "origin":
      return scope.value;
    case "folder":
      return `${scope.value} and the files directly in it`;
    case "input":
      return "exactly this input";
  }
}
