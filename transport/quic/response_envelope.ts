import * as v from "valibot";
import { PalyraError } from "../../identity/palyra_error.ts";
import type { ReasonCode } from "../../identity/reason_code.ts";
import type { UnixMs } from "../../identity/unix_ms.ts";
import { peerMessage } from "../peer_message.ts";
import { QUIC_PROTOCOL_VERSION } from "./request_envelope.ts";

/** What an answer of kind `error` can say: the codes of the QUIC wire itself, or why the daemon refused. */
export type QuicErrorCode =
  | "invalid_request"
  | "protocol_mismatch"
  | "unsupported_method"
  | "stream_failure"
  | "event_gap"
  | ReasonCode;

/** Answer to `node.health`. */
export interface HealthResponse {
  readonly kind: "health";
  readonly nodeRpcMtlsRequired: boolean;
}

/** One event of the device's log, in answer to `node.stream_events`. */
export interface EventResponse {
  readonly kind: "event";
  /** From 1 on, without holes. */
  readonly sequence: number;
  readonly name: string;
  /** A JSON object. */
  readonly payload: Readonly<Record<string, unknown>>;
  readonly at: UnixMs;
}

/** Answer to `node.open_session`: messages of the session follow on the same stream, both ways. */
export interface SessionResponse {
  readonly kind: "session";
}

/** The request was not granted, or cannot go on. Nothing follows on the stream. */
export interface ErrorResponse {
  readonly kind: "error";
  /** A {@linkcode QuicErrorCode}, or a code that only a newer daemon knows. */
  readonly error: string;
  /** A sentence for people. */
  readonly message: string;
  /** With `event_gap`: the oldest event that is kept. */
  readonly oldestSequence?: number;
}

/** What the daemon answers on a stream. */
export type ResponseEnvelope = HealthResponse | EventResponse | SessionResponse | ErrorResponse;

/** Answer to `node.health`. */
export function healthResponse(nodeRpcMtlsRequired: boolean): HealthResponse {
  return { kind: "health", nodeRpcMtlsRequired };
}

/** One event of the device's log. */
export function eventResponse(event: Omit<EventResponse, "kind">): EventResponse {
  const { sequence, name, payload, at } = event;
  return { kind: "event", sequence, name, payload, at };
}

/** The session is open. */
export function sessionResponse(): SessionResponse {
  return { kind: "session" };
}

/** A refusal; `message` goes to the peer. */
export function errorResponse(error: QuicErrorCode, message: string, oldestSequence?: number): ErrorResponse {
  return { kind: "error", error, message, ...(oldestSequence !== undefined && { oldestSequence }) };
}

/** The payload of a response; it still needs its frame. */
export function encodeResponse(response: ResponseEnvelope): Uint8Array {
  return new TextEncoder().encode(
    JSON.stringify({ protocol_version: QUIC_PROTOCOL_VERSION, kind: response.kind, ...wireFields(response) }),
  );
}

function wireFields(response: ResponseEnvelope): Record<string, unknown> {
  switch (response.kind) {
    case "health":
      return { ok: true, node_rpc_mtls_required: response.nodeRpcMtlsRequired };
    case "event": {
      const { sequence, name, payload, at } = response;
      return { ok: true, seq: sequence, name, payload, at_unix_ms: at };
    }
    case "session":
      return { ok: true };
    case "error": {
      const { error, message, oldestSequence } = response;
      return { ok: false, error, message, ...(oldestSequence !== undefined && { oldest_seq: oldestSequence }) };
    }
  }
}

/** The longest name of an event, in characters. */
const MAX_EVENT_NAME_CHARACTERS = 256;

const Version = v.literal(QUIC_PROTOCOL_VERSION);
const Sequence = v.pipe(v.number(), v.safeInteger(), v.minValue(1));
const Time = v.pipe(
  v.number(),
  v.safeInteger(),
  v.minValue(0),
  v.transform((time) => time as UnixMs),
);
const JsonObject = v.custom<Readonly<Record<string, unknown>>>((value) =>
  typeof value === "object" && value !== null && !Array.isArray(value)
);
const Code = v.pipe(v.string(), v.maxLength(64), v.regex(/^[a-z][a-z0-9_]*$/));

// Fields that a later version adds are passed over: only requests are refused for what they have too much.
const ResponseSchema = v.variant("kind", [
  v.object({
    protocol_version: Version,
    kind: v.literal("health"),
    ok: v.literal(true),
    node_rpc_mtls_required: v.boolean(),
  }),
  v.object({
    protocol_version: Version,
    kind: v.literal("event"),
    ok: v.literal(true),
    seq: Sequence,
    name: v.pipe(v.string(), v.maxLength(MAX_EVENT_NAME_CHARACTERS)),
    payload: JsonObject,
    at_unix_ms: Time,
  }),
  v.object({ protocol_version: Version, kind: v.literal("session"), ok: v.literal(true) }),
  v.object({
    protocol_version: Version,
    kind: v.literal("error"),
    ok: v.literal(false),
    error: Code,
    message: v.string(),
    oldest_seq: v.optional(Sequence),
  }),
]);

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** Reads a response's payload. Throws `protocol_mismatch` when it is none of this version. */
export function parseResponse(payload: Uint8Array): ResponseEnvelope {
  const response = parseWire(payload);
  switch (response.kind) {
    case "health":
      return healthResponse(response.node_rpc_mtls_required);
    case "event": {
      const { seq, name, payload, at_unix_ms } = response;
      return eventResponse({ sequence: seq, name: peerMessage(name), payload, at: at_unix_ms });
    }
    case "session":
      return sessionResponse();
    case "error": {
      const { error, message, oldest_seq } = response;
      return {
        kind: "error",
        error,
        message: peerMessage(message),
        ...(oldest_seq !== undefined && { oldestSequence: oldest_seq }),
      };
    }
  }
}

function parseWire(payload: Uint8Array): v.InferOutput<typeof ResponseSchema> {
  let json: unknown;
  try {
    json = JSON.parse(utf8.decode(payload));
  } catch (cause) {
    throw nonsense(cause);
  }
  const parsed = v.safeParse(ResponseSchema, json);
  if (!parsed.success) throw nonsense(new Error(parsed.issues[0].message));
  return parsed.output;
}

function nonsense(cause: unknown): PalyraError {
  return new PalyraError(
    "protocol_mismatch",
    `The daemon's answer is none of version ${QUIC_PROTOCOL_VERSION} of the QUIC protocol. Use matching versions of ` +
      "palyrad and palyra-node.",
    { cause },
  );
}
