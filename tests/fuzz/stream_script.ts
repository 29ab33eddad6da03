import { encodeFrame, newFrame } from "../../transport/quic/frame_writer.ts";
import { encodeRequest, parseRequest, type QuicMethod } from "../../transport/quic/request_envelope.ts";
import { SESSION_END_FRAME, sessionFrames } from "../../transport/quic/session_frame.ts";
import { concat, flipBits, mutateBytes } from "./byte_mutation.ts";
import type { Chance } from "../harness/chance.ts";

const MAX_FRAME_BYTES = 512 * 1024;

/** What a client does on its stream. */
export type Step =
  | { readonly do: "write"; readonly bytes: Uint8Array }
  /** Sends a FIN, alone. */
  | { readonly do: "finish" }
  | { readonly do: "reset" }
  | { readonly do: "stop" }
  /** Waits for the answer that says that a session is open. */
  | { readonly do: "awaitSession" };

/** What must come of it. */
export type Expectation =
  | { readonly kind: "health" }
  | { readonly kind: "error"; readonly code: string }
  /** Nobody waits for it. */
  | { readonly kind: "anything" };

/** One stream of a hostile client. */
export interface StreamScript {
  readonly kind: string;
  readonly steps: readonly Step[];
  readonly expect: Expectation;
  /** How many frames, or what stands for one, are sent. */
  readonly frames: number;
  /** A stream that only the client writes on. */
  readonly oneWay?: boolean;
}

type Make = (chance: Chance) => Omit<StreamScript, "kind">;

/** The methods whose failure concerns their own stream only: a session that breaks takes its connection along. */
const METHODS: readonly QuicMethod[] = ["node.health", "node.stream_events"];

const write = (...parts: readonly Uint8Array[]): Step => ({ do: "write", bytes: concat(...parts) });
const text = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
const anything: Expectation = { kind: "anything" };
const health: Expectation = { kind: "health" };
const error = (code: string): Expectation => ({ kind: "error", code });

/** `bytes` in writes of their own. */
function inPieces(chance: Chance, bytes: Uint8Array): Step[] {
  const steps: Step[] = [];
  for (let at = 0; at < bytes.length;) {
    const piece = bytes.subarray(at, at + chance.between(1, 12));
    steps.push(write(piece));
    at += piece.length;
  }
  return steps;
}

/** What must come of a first frame with this payload. */
function answerTo(payload: Uint8Array): Expectation {
  const parsed = parseRequest(payload);
  if (!parsed.ok) return error(parsed.error);
  return parsed.request.method === "node.health" ? health : anything;
}

/** A header that promises `promised` bytes, and fewer than those behind it. */
function lyingFrame(chance: Chance, promised: number): Uint8Array {
  const frame = concat(newFrame(0), chance.bytes(chance.below(Math.min(promised, 200))));
  new DataView(frame.buffer).setUint32(0, promised);
  return frame;
}

const REQUESTS = {
  valid: (chance) => {
    const frame = encodeFrame(encodeRequest("node.health"));
    return { steps: chance.oneIn(2) ? [write(frame)] : inPieces(chance, frame), expect: health, frames: 1 };
  },
  garbage: (chance) => {
    const payload = chance.bytes(chance.below(600));
    return { steps: [write(encodeFrame(payload))], expect: answerTo(payload), frames: 1 };
  },
  mutated: (chance) => {
    const payload = mutateBytes(chance, encodeRequest(chance.one(METHODS), chance.below(100)));
    return { steps: [write(encodeFrame(payload))], expect: answerTo(payload), frames: 1 };
  },
  unknownMethod: (chance) => {
    const method = chance.one(["", "node.", "node.healt", "NODE.HEALTH", "__proto__", "x".repeat(10_000)]);
    const payload = text({ protocol_version: 1, method });
    return { steps: [write(encodeFrame(payload))], expect: error("unsupported_method"), frames: 1 };
  },
  otherVersion: (chance) => {
    const payload = text({ protocol_version: chance.one([0, 2, 65_535, 2 ** 53 - 1]), method: "node.health" });
    return { steps: [write(encodeFrame(payload))], expect: error("protocol_mismatch"), frames: 1 };
  },
  unknownField: (chance) => {
    const field = chance.one(["x", "constructor", "toString", "device_id", "y".repeat(5_000)]);
    const payload = text({ protocol_version: 1, method: "node.health", [field]: chance.one([1, null, {}, "x"]) });
    return { steps: [write(encodeFrame(payload))], expect: error("invalid_request"), frames: 1 };
  },
  deepJson: (chance) => {
    const depth = chance.between(1_000, 50_000);
    const opening = new TextEncoder().encode(chance.one(["[", '{"a":']).repeat(depth));
    return { steps: [write(encodeFrame(opening))], expect: error("invalid_request"), frames: 1 };
  },
  oversize: (chance) => {
    const promised = chance.one([MAX_FRAME_BYTES + 1, 2 ** 24, 2 ** 31, 2 ** 32 - 1]);
    return { steps: [write(lyingFrame(chance, promised))], expect: error("stream_failure"), frames: 1 };
  },
  promised: (chance) => {
    // At most 200 bytes come.
    const lie = write(lyingFrame(chance, chance.one([201, 65_536, MAX_FRAME_BYTES])));
    const end = chance.one<Step[]>([[], [{ do: "reset" }], [{ do: "stop" }]]);
    return { steps: [lie, ...end], expect: anything, frames: 1 };
  },
  promisedAndFinished: (chance) => ({
    steps: [write(lyingFrame(chance, chance.one([201, 65_536, MAX_FRAME_BYTES]))), { do: "finish" }],
    expect: error("stream_failure"),
    frames: 1,
  }),
  headerCut: (chance) => ({
    steps: [write(chance.bytes(chance.between(1, 3))), ...chance.one<Step[]>([[], [{ do: "reset" }]])],
    expect: anything,
    frames: 1,
  }),
  headerCutAndFinished: (chance) => ({
    steps: [write(chance.bytes(chance.between(1, 3))), { do: "finish" }],
    expect: error("stream_failure"),
    frames: 1,
  }),
  finAlone: () => ({ steps: [{ do: "finish" }], expect: error("stream_failure"), frames: 1 }),
  silent: () => ({ steps: [], expect: anything, frames: 1 }),
  empty: (chance) => {
    const count = chance.between(1, 200);
    const frames = Array.from({ length: count }, () => newFrame(0));
    return { steps: [write(...frames)], expect: error("invalid_request"), frames: count };
  },
  finLate: () => ({
    steps: [write(encodeFrame(encodeRequest("node.health"))), { do: "finish" }],
    expect: health,
    frames: 1,
  }),
  moreBehind: (chance) => {
    const more = many(chance.between(1, 8), () =>
      encodeFrame(
        chance.oneIn(2) ? chance.bytes(chance.below(200)) : encodeRequest(chance.one(METHODS), chance.below(3)),
      ));
    const request = encodeFrame(encodeRequest("node.health"));
    const steps = chance.oneIn(2) ? [write(request, ...more)] : [write(request), write(...more)];
    return { steps, expect: health, frames: 1 + more.length };
  },
  resetInside: (chance) => {
    const frame = encodeFrame(encodeRequest(chance.one(METHODS)));
    return {
      steps: [write(frame.subarray(0, chance.below(frame.length + 1))), { do: "reset" }],
      expect: anything,
      frames: 1,
    };
  },
  neverReads: (chance) => ({
    steps: [
      write(encodeFrame(encodeRequest("node.stream_events", chance.one([0, 1, 5, 1_000, 2 ** 53 - 1])))),
      ...chance.one<Step[]>([[], [{ do: "stop" }], [{ do: "reset" }, { do: "stop" }]]),
    ],
    expect: anything,
    frames: 1,
  }),
  oneWay: (chance) => ({
    steps: [write(encodeFrame(encodeRequest("node.health"))), ...chance.one<Step[]>([[], [{ do: "finish" }]])],
    expect: anything,
    frames: 1,
    oneWay: true,
  }),
} satisfies Record<string, Make>;

/** What comes on the stream of a session behind its opening, by kind; `messages` are whole messages of a session. */
function sessionTail(
  chance: Chance,
  messages: readonly Uint8Array[],
): { readonly kind: string; readonly frames: Uint8Array[] } {
  const message = () => chance.one(messages);
  const anyFlag = () => chance.one([0, 1, 2, 3, 127, 255]);
  const count = chance.between(1, 8);
  switch (chance.below(8)) {
    case 0:
      return {
        kind: "sessionMutated",
        frames: many(count, () => encodeFrame(mutateBytes(chance, flagged(0, message())))),
      };
    case 1:
      return { kind: "sessionFlags", frames: many(count, () => encodeFrame(flagged(anyFlag(), message()))) };
    case 2:
      return { kind: "sessionPieces", frames: chance.shuffled(many(count, () => sessionFrames(message(), 8)).flat()) };
    case 3:
      return { kind: "sessionEmpty", frames: many(count, () => encodeFrame(flagged(anyFlag(), new Uint8Array(0)))) };
    case 4:
      return { kind: "sessionNoFlag", frames: many(count, () => newFrame(0)) };
    case 5: {
      // Up to 8 MiB in one message, 64 KiB a piece: over the limit more often than not, and now and then only.
      const pieces = chance.oneIn(8) ? chance.between(40, 128) : count;
      const piece = encodeFrame(flagged(1, new Uint8Array(65_536).fill(chance.below(256))));
      return { kind: "sessionEndless", frames: many(pieces, () => piece) };
    }
    case 6:
      return {
        kind: "sessionEnded",
        frames: [SESSION_END_FRAME, ...many(count, () => chance.one([SESSION_END_FRAME, encodeFrame(message())]))],
      };
    default:
      return {
        kind: "sessionBits",
        frames: [flipBits(chance, concat(...many(count, () => sessionFrames(message(), 64)).flat()))],
      };
  }
}

/** The next stream of a client that asks for something and is not what it should be. */
export function requestScript(chance: Chance): StreamScript {
  const kind = chance.one(REQUEST_KINDS);
  return { kind, ...REQUESTS[kind](chance) };
}

/** The kinds of {@linkcode requestScript}. */
export const REQUEST_KINDS = Object.keys(REQUESTS) as readonly (keyof typeof REQUESTS)[];

/** The next stream of a client that opens a session and then says what no node says. */
export function sessionScript(chance: Chance, messages: readonly Uint8Array[]): StreamScript {
  const { kind, frames } = sessionTail(chance, messages);
  const opening = encodeFrame(encodeRequest("node.open_session"));
  // Half of them begin as a node does.
  const greeting = chance.oneIn(2) && messages[0] !== undefined ? sessionFrames(messages[0], MAX_FRAME_BYTES) : [];
  const end = chance.one<Step[]>([[], [], [{ do: "finish" }], [{ do: "reset" }], [{ do: "reset" }, { do: "stop" }]]);
  const steps: Step[] = [
    write(opening),
    ...(chance.oneIn(5) ? [] : [{ do: "awaitSession" } as const]),
    ...greeting.map((frame) => write(frame)),
    ...frames.map((frame) => write(frame)),
    ...end,
  ];
  return { kind, steps, expect: anything, frames: 1 + greeting.length + frames.length };
}

function flagged(flag: number, body: Uint8Array): Uint8Array {
  return concat(Uint8Array.of(flag), body);
}

function many<T>(count: number, make: () => T): T[] {
  return Array.from({ length: count }, make);
}
