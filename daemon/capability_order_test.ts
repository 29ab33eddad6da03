import assert from "node:assert/strict";
import { newDeviceId } from "../identity/device_id.ts";
import { PalyraError } from "../identity/palyra_error.ts";
import { type CapabilityOrderInput, checkOrder, MAX_INPUT_BYTES, MAX_OUTPUT_BYTES } from "./capability_order.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

function input(changes: Partial<CapabilityOrderInput> = {}): CapabilityOrderInput {
  return {
    deviceId: newDeviceId(),
    capability: "system.health",
    inputJson: new Uint8Array(),
    maxPayloadBytes: 0,
    timeoutMs: 0,
    requestedBy: "operator",
    idempotencyKey: "",
    ...changes,
  };
}

Deno.test("checkOrder() fills in the defaults, and null for no input", () => {
  const order = checkOrder(input(), 30_000);
  assert.equal(order.timeoutMs, 30_000);
  assert.equal(order.maxPayloadBytes, 65_536);
  assert.equal(new TextDecoder().decode(order.inputJson), "null");
  assert.equal(order.priority, "normal");
  for (const absent of ["idempotencyKey", "onDisconnect", "ttlMs"]) assert.ok(!(absent in order), absent);
});

Deno.test("checkOrder() takes the terms of a request", () => {
  const { priority, onDisconnect, ttlMs } = checkOrder(
    input({ priority: "high", onDisconnect: "wait", ttlMs: 30_000 }),
    30_000,
  );
  assert.deepEqual({ priority, onDisconnect, ttlMs }, { priority: "high", onDisconnect: "wait", ttlMs: 30_000 });
});

const REFUSED: [string, Partial<CapabilityOrderInput>, string][] = [
  ["no capability", { capability: "" }, "invalid_argument"],
  ["a path as capability", { capability: "../etc/passwd" }, "invalid_argument"],
  ["a long capability", { capability: "a".repeat(65) }, "invalid_argument"],
  ["too large an output", { maxPayloadBytes: MAX_OUTPUT_BYTES + 1 }, "invalid_argument"],
  ["a fraction of a byte", { maxPayloadBytes: 1.5 }, "invalid_argument"],
  ["too long a life", { timeoutMs: 8 * 24 * 3_600_000 }, "invalid_argument"],
  ["a key with a space", { idempotencyKey: "a b" }, "invalid_argument"],
  ["a long key", { idempotencyKey: "k".repeat(129) }, "invalid_argument"],
  ["a priority that is none", { priority: "urgent" }, "invalid_argument"],
  ["a choice that is none", { onDisconnect: "retry" }, "invalid_argument"],
  ["a wait that is longer than the life", { ttlMs: 30_001 }, "invalid_argument"],
  ["no JSON", { inputJson: bytes("{") }, "invalid_input"],
  ["no UTF-8", { inputJson: new Uint8Array([0x22, 0xff, 0x22]) }, "invalid_input"],
  ["too large an input", { inputJson: new Uint8Array(MAX_INPUT_BYTES + 1).fill(0x20) }, "invalid_input"],
];

for (const [what, changes, code] of REFUSED) {
  Deno.test(`checkOrder() refuses ${what}`, () => {
    assert.throws(
      () => checkOrder(input(changes), 30_000),
      (thrown) => thrown instanceof PalyraError && thrown.code === code,
    );
  });
}
