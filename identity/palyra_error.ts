import type { ReasonCode } from "./reason_code.ts";

/**
 * A refusal or failure that somebody must be able to tell apart.
 *
 * `message` is one or two sentences that name the cause and the cure; it is safe to show to a peer. What only the log
 * may know goes into `cause`.
 */
export class PalyraError extends Error {
  /** The stable code that programs branch on. */
  readonly code: ReasonCode;

  constructor(code: ReasonCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = "PalyraError";
    this.code = code;
  }

  /**
   * Any thrown value as a PalyraError. What is not one already becomes `internal` with a message that tells a peer
   * nothing; the original is kept as the cause.
   */
  static from(thrown: unknown): PalyraError {
    if (thrown instanceof PalyraError) return thrown;
    return new PalyraError("internal", "Something failed that should not; the log has the cause.", { cause: thrown });
  }
}
