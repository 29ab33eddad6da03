import assert from "node:assert/strict";
import fc from "fast-check";
import { encodeRequest, parseRequest, type QuicMethod } from "./request_envelope.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

function errorOf(payload: Uint8Array | Record<string, unknown>): string {
  const parsed = parseRequest(payload instanceof Uint8Array ? payload : bytes(JSON.stringify(payload)));
  return parsed.ok ? "accepted" : parsed.error;
}

const health = { protocol_version: 1, method: "node.health" };

Deno.test("parseRequest() reads what encodeRequest() writes", () => {
  const method = fc.constantFrom<QuicMethod>("node.health", "node.stream_events", "node.open_session");
  fc.assert(fc.property(method, fc.maxSafeNat(), (asked, resumeFrom) => {
    assert.deepEqual(parseRequest(encodeRequest(asked, resumeFrom)), {
      ok: true,
      request: { method: asked, resumeFrom },
    });
  }));
});

Deno.test("parseRequest() knows no beginning when resume_from is absent or null, and 0 when it is 0 or -0", () => {
  const beginnings = [
    ["", undefined],
    [',"resume_from":null', undefined],
    [',"resume_from":0', 0],
    [',"resume_from":-0', 0],
  ] as const;
  for (const [field, resumeFrom] of beginnings) {
    const parsed = parseRequest(bytes(`{"protocol_version":1,"method":"node.stream_events"${field}}`));
    assert.deepEqual(parsed, { ok: true, request: { method: "node.stream_events", resumeFrom } });
  }
  const absent = JSON.parse(new TextDecoder().decode(encodeRequest("node.health")));
  assert.deepEqual(absent, health);
});

Deno.test("parseRequest() says invalid_request when the payload is not JSON in UTF-8 or not an object", () => {
  const payloads = ["", "{", "null", "[]", "1", '"node.health"', "{}", "[".repeat(100_000)];
  for (const payload of payloads) assert.equal(errorOf(bytes(payload)), "invalid_request", payload.slice(0, 20));
  const latin1 = Uint8Array.of(...bytes('{"protocol_version":1,"method":"'), 0xe9, ...bytes('"}'));
  assert.equal(errorOf(latin1), "invalid_request");
});

Deno.test("parseRequest() says invalid_request when a field is unknown, missing or malformed", () => {
  const requests: readonly Record<string, unknown>[] = [
    { ...health, admin: true },
    { ...health, constructor: 1 },
    { method: "node.health" },
    { protocol_version: 1 },
    { ...health, protocol_version: "1" },
    { ...health, protocol_version: 1.5 },
    { ...health, protocol_version: -1 },
    { ...health, method: 1 },
    { ...health, resume_from: -1 },
    { ...health, resume_from: 0.5 },
    { ...health, resume_from: 2 ** 53 },
    { ...health, resume_from: "1" },
  ];
  for (const request of requests) assert.equal(errorOf(request), "invalid_request", JSON.stringify(request));
  assert.equal(errorOf(bytes('{"protocol_version":1,"method":"node.health","__proto__":{}}')), "invalid_request");
});

Deno.test("parseRequest() says protocol_mismatch before it looks at the method, and after the fields", () => {
  assert.equal(errorOf({ ...health, protocol_version: 2 }), "protocol_mismatch");
  assert.equal(errorOf({ ...health, protocol_version: 0 }), "protocol_mismatch");
  assert.equal(errorOf({ protocol_version: 2, method: "node.none" }), "protocol_mismatch");
  assert.equal(errorOf({ protocol_version: 2, method: "node.none", more: 1 }), "invalid_request");
});

Deno.test("parseRequest() says unsupported_method when it does not know the method", () => {
  for (const method of ["", "node.none", "NODE.HEALTH", "toString", "__proto__", " node.health"]) {
    assert.equal(errorOf({ ...health, method }), "unsupported_method", method);
  }
});

Deno.test("parseRequest() repeats nothing that the peer wrote when it refuses", () => {
  const marker = "zzqx";
  const requests = [
    { ...health, [marker]: 1 },
    { ...health, method: marker },
    { [marker]: marker },
    marker,
  ];
  for (const request of requests) {
    const parsed = parseRequest(bytes(JSON.stringify(request)));
    assert.ok(!parsed.ok && !parsed.message.includes(marker));
  }
});

Deno.test("parseRequest() never throws, whatever comes", () => {
  const field = fc.constantFrom("protocol_version", "method", "resume_from", "__proto__", "constructor", "x");
  const object = fc.dictionary(field, fc.oneof(fc.jsonValue(), fc.constantFrom(1, "node.health", -1, 1e300)));
  const payload = fc.oneof(fc.uint8Array(), fc.json().map(bytes), object.map((each) => bytes(JSON.stringify(each))));
  fc.assert(fc.property(payload, (each) => {
    const parsed = parseRequest(each);
    if (parsed.ok) {
      assert.ok(Number.isSafeInteger(parsed.request.resumeFrom ?? 0) && (parsed.request.resumeFrom ?? 0) >= 0);
    } else assert.ok(parsed.message.length < 400);
  }));
});
