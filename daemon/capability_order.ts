import * as v from "valibot";
import { CAPABILITY_NAME, MAX_CAPABILITY_NAME_CHARACTERS } from "../identity/capability_name.ts";
import { PalyraError } from "../identity/palyra_error.ts";
import type { DeviceId } from "../identity/device_id.ts";
import { ON_DISCONNECT_CHOICES, type OnDisconnect } from "./on_disconnect.ts";
import { REQUEST_PRIORITIES, type RequestPriority } from "./request_priority.ts";

/** Largest input of a request, in bytes of JSON. */
export const MAX_INPUT_BYTES: number = 1024 * 1024;
/** Largest output a caller may ask for, in bytes of JSON: what fits into one message with room to spare. */
export const MAX_OUTPUT_BYTES: number = 3 * 1024 * 1024;
/** Output bound when the caller names none. */
export const DEFAULT_OUTPUT_BYTES: number = 64 * 1024;
/** Life of a request whose caller waits, when it names none. */
export const DEFAULT_EXECUTE_TIMEOUT_MS = 30_000;
/** Life of a request whose caller does not wait, when it names none. */
export const DEFAULT_SUBMIT_TIMEOUT_MS: number = 24 * 3_600_000;
/** Longest life of a request. */
export const MAX_TIMEOUT_MS: number = 7 * 24 * 3_600_000;

/** What a caller wants done, checked. */
export interface CapabilityOrder {
  readonly deviceId: DeviceId;
  readonly capability: string;
  readonly inputJson: Uint8Array;
  readonly maxPayloadBytes: number;
  readonly timeoutMs: number;
  readonly requestedBy: string;
  readonly idempotencyKey?: string;
  /** Default: `normal`. */
  readonly priority?: RequestPriority;
  /** Absent: the daemon decides by what the node says and by whether the capability is idempotent. */
  readonly onDisconnect?: OnDisconnect;
  /** How long it may wait to be dispatched, in milliseconds. Default: all of {@linkcode timeoutMs}. */
  readonly ttlMs?: number;
}

/** What a caller sent; 0 and "" mean "not given", as protobuf has it. */
export interface CapabilityOrderInput {
  readonly deviceId: DeviceId;
  readonly capability: string;
  readonly inputJson: Uint8Array;
  readonly maxPayloadBytes: number;
  readonly timeoutMs: number;
  readonly requestedBy: string;
  readonly idempotencyKey: string;
  readonly priority?: string;
  readonly onDisconnect?: string;
  readonly ttlMs?: number;
}

const OrderShape = v.object({
  capability: v.pipe(
    v.string(),
    v.maxLength(MAX_CAPABILITY_NAME_CHARACTERS),
    v.regex(CAPABILITY_NAME, "The capability's name looks like `system.health`."),
  ),
  maxPayloadBytes: v.pipe(
    v.number(),
    v.integer(),
    v.minValue(1),
    v.maxValue(MAX_OUTPUT_BYTES, `max_payload_bytes may be at most ${MAX_OUTPUT_BYTES}.`),
  ),
  timeoutMs: v.pipe(
    v.number(),
    v.integer(),
    v.minValue(1),
    v.maxValue(MAX_TIMEOUT_MS, "A request may live for 7 days at most."),
  ),
  idempotencyKey: v.pipe(
    v.string(),
    v.maxLength(128, "An idempotency key has at most 128 characters."),
    v.regex(/^[\x21-\x7e]*$/, "An idempotency key is printable ASCII without spaces."),
  ),
  priority: v.picklist(REQUEST_PRIORITIES, "A priority is `high`, `normal` or `low`."),
  onDisconnect: v.picklist(["", ...ON_DISCONNECT_CHOICES], "on_disconnect is `requeue`, `wait`, `fail` or left out."),
  ttlMs: v.pipe(
    v.number(),
    v.integer(),
    v.minValue(0),
    v.maxValue(MAX_TIMEOUT_MS, "A request may wait for 7 days at most."),
  ),
});

const utf8 = new TextDecoder("utf-8", { fatal: true });
const NULL_JSON = new TextEncoder().encode("null");

function checkedInput(inputJson: Uint8Array): Uint8Array {
  if (inputJson.length === 0) return NULL_JSON;
  if (inputJson.length > MAX_INPUT_BYTES) {
    throw new PalyraError("invalid_input", `The input has ${inputJson.length} bytes; at most ${MAX_INPUT_BYTES} fit.`);
  }
  try {
    JSON.parse(utf8.decode(inputJson));
  } catch (cause) {
    throw new PalyraError("invalid_input", "The input is not valid JSON in UTF-8.", { cause });
  }
  return inputJson;
}

/** Checks a caller's order and fills in the defaults; throws `invalid_argument` or `invalid_input`. */
export function checkOrder(input: CapabilityOrderInput, defaultTimeoutMs: number): CapabilityOrder {
  const parsed = v.safeParse(OrderShape, {
    capability: input.capability,
    maxPayloadBytes: input.maxPayloadBytes || DEFAULT_OUTPUT_BYTES,
    timeoutMs: input.timeoutMs || defaultTimeoutMs,
    idempotencyKey: input.idempotencyKey,
    priority: input.priority || "normal",
    onDisconnect: input.onDisconnect ?? "",
    ttlMs: input.ttlMs ?? 0,
  });
  if (!parsed.success) throw new PalyraError("invalid_argument", parsed.issues[0].message);
  const { idempotencyKey, onDisconnect, ttlMs, ...order } = parsed.output;
  if (ttlMs > order.timeoutMs) {
    throw new PalyraError(
      "invalid_argument",
      `The time to live (${ttlMs} ms) is part of the request's life (${order.timeoutMs} ms) and cannot be longer.`,
    );
  }
  return {
    ...order,
    deviceId: input.deviceId,
    inputJson: checkedInput(input.inputJson),
    requestedBy: input.requestedBy,
    ...(idempotencyKey !== "" && { idempotencyKey }),
    ...(onDisconnect !== "" && { onDisconnect }),
    ...(ttlMs > 0 && { ttlMs }),
  };
}
