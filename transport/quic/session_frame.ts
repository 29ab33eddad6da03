import { PalyraError } from "../../identity/palyra_error.ts";
import { encodeFrame, FRAME_HEADER_BYTES, newFrame } from "./frame_writer.ts";
import { GrowingBytes } from "./growing_bytes.ts";

/** The first byte of each frame of a session: what the rest of the frame is. */
const LAST_PIECE = 0;
const MORE_FOLLOWS = 1;
const SESSION_END = 2;

const FLAG_BYTES = 1;

/** The frame that ends a session in an orderly way. It is sent with the FIN, which is never sent alone. */
export const SESSION_END_FRAME: Uint8Array = encodeFrame(Uint8Array.of(SESSION_END));

/**
 * One message of a session as frames that are ready to write, usually one. `maxFrameBytes` is the longest payload, its
 * flag byte included.
 */
export function sessionFrames(message: Uint8Array, maxFrameBytes: number): Uint8Array[] {
  const pieceBytes = maxFrameBytes - FLAG_BYTES;
  if (pieceBytes < 1) throw new RangeError(`no room for a piece in a frame of ${maxFrameBytes} bytes`);
  const frames: Uint8Array[] = [];
  let rest = message;
  while (rest.length > pieceBytes) {
    frames.push(pieceFrame(MORE_FOLLOWS, rest.subarray(0, pieceBytes)));
    rest = rest.subarray(pieceBytes);
  }
  frames.push(pieceFrame(LAST_PIECE, rest));
  return frames;
}

function pieceFrame(flag: number, piece: Uint8Array): Uint8Array {
  const frame = newFrame(FLAG_BYTES + piece.length);
  frame[FRAME_HEADER_BYTES] = flag;
  frame.set(piece, FRAME_HEADER_BYTES + FLAG_BYTES);
  return frame;
}

/** Joins the frames of one session to messages again. */
export class SessionMessageReader {
  readonly #maxMessageBytes: number;
  #pieces: GrowingBytes;
  #ended = false;

  /** `maxMessageBytes`: the longest message that is taken, whatever its number of pieces. */
  constructor(maxMessageBytes: number) {
    this.#maxMessageBytes = maxMessageBytes;
    this.#pieces = new GrowingBytes(maxMessageBytes);
  }

  /**
   * Takes the payload of the next frame: a whole message, undefined when more pieces of it follow, or `end`. A message
   * that came in one piece is a view on `payload`.
   *
   * Throws `message_too_large` and drops the pieces when they are more than the limit, and `protocol_mismatch` when the
   * frame makes no sense at this place. The session cannot go on after either.
   */
  push(payload: Uint8Array): Uint8Array | "end" | undefined {
    const flag = payload[0];
    const piece = payload.subarray(FLAG_BYTES);
    if (this.#ended) throw nonsense("comes after the end of the session");
    if (flag === SESSION_END) {
      if (piece.length > 0) throw nonsense("ends the session and has a body");
      if (this.#pieces.length > 0) throw nonsense("ends the session in the middle of a message");
      this.#ended = true;
      return "end";
    }
    if (flag !== LAST_PIECE && flag !== MORE_FOLLOWS) throw nonsense("begins with no known flag");
    // Every frame brings the end of its message nearer.
    if (flag === MORE_FOLLOWS && piece.length === 0) throw nonsense("is an empty piece of a message");
    if (this.#pieces.length + piece.length > this.#maxMessageBytes) {
      this.#pieces = new GrowingBytes(this.#maxMessageBytes);
      throw new PalyraError(
        "message_too_large",
        `A message of the session has more than ${this.#maxMessageBytes} bytes. Send less at once.`,
      );
    }
    if (flag === LAST_PIECE && this.#pieces.length === 0) return piece;
    this.#pieces.append(piece);
    return flag === LAST_PIECE ? this.#pieces.take() : undefined;
  }
}

function nonsense(what: string): PalyraError {
  return new PalyraError(
    "protocol_mismatch",
    `A frame of the session ${what}. Make sure that palyrad and palyra-node are of matching versions.`,
  );
}
