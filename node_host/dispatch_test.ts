import assert from "node:assert/strict";
import { newUlid } from "../identity/device_id.ts";
import type { PalyraError } from "../identity/palyra_error.ts";
import { attemptRef, parseAttempt, parseDispatch } from "./dispatch.ts";

Deno.test("parseAttempt() reads what attemptRef() writes", () => {
  const name = { requestId: newUlid(), attempt: 3 };
  assert.deepEqual(parseAttempt(attemptRef(name)), name);
});

Deno.test("parseAttempt() and parseDispatch() refuse what names no request or no attempt", () => {
  const requestId = { ulid: newUlid() };
  const malformed = [
    undefined,
    { requestId: undefined, attempt: 1 },
    { requestId: { ulid: "" }, attempt: 1 },
    { requestId: { ulid: requestId.ulid.toLowerCase() }, attempt: 1 },
    { requestId, attempt: 0 },
  ];
  for (const attempt of malformed) {
    assert.throws(() => parseAttempt(attempt), (error: PalyraError) => error.code === "protocol_mismatch");
    const dispatch = {
      requestId: attempt?.requestId,
      attempt: attempt?.attempt ?? 0,
      capability: "echo",
      inputJson: new Uint8Array(),
      maxPayloadBytes: 0,
      epoch: 1,
      timeLeftMs: 1,
      requestedBy: "",
    };
    assert.throws(() => parseDispatch(dispatch), (error: PalyraError) => error.code === "protocol_mismatch");
  }
});
