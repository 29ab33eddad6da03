import { randomBytes } from "node:crypto";
import { CONNECTION_ID_BYTES } from "./connection_id.ts";

/** Long enough to be answered with a whole stateless reset, and short enough to be nothing. */
const QUESTION_BYTES = 64;

/** Pause between two questions, in milliseconds: anybody can have them asked. */
const PAUSE_MS = 1_000;

/**
 * A client's way to hear that its daemon does not know the connection any more (RFC 9000, section 10.3) when it
 * addresses the daemon by another id than the first. quiche 0.18 knows a stateless reset by the token of the first id and
 * by no other. So when something comes that may be one, the daemon is sent something to the first id: a daemon that has
 * the connection leaves that unanswered, and one that has forgotten it answers with the reset that is understood.
 */
export class ResetQuestion {
  readonly #firstId: Uint8Array;
  readonly #now: () => number;
  #askedAt = -Infinity;

  /** `firstId`: the id that the daemon has named in its handshake. */
  constructor(firstId: Uint8Array, now: () => number = () => performance.now()) {
    this.#firstId = firstId;
    this.#now = now;
  }

  /** What to send when something came that is of no connection; undefined when there is nothing to ask now. */
  next(presentId: Uint8Array): Uint8Array | undefined {
    const now = this.#now();
    if (presentId.toHex() === this.#firstId.toHex() || now - this.#askedAt < PAUSE_MS) return undefined;
    this.#askedAt = now;
    const question = new Uint8Array(randomBytes(QUESTION_BYTES));
    // A short header: the first bit 0, the second 1.
    question[0] = 0x40 | (question[0] ?? 0) & 0x3f;
    question.set(this.#firstId.subarray(0, CONNECTION_ID_BYTES), 1);
    return question;
  }
}
