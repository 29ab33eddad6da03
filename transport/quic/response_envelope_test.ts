import assert from "node:assert/strict";
import fc from "fast-check";
import { PalyraError } from "../../identity/palyra_error.ts";
import { unixMs } from "../../identity/unix_ms.ts";
import {
  encodeResponse,
  errorResponse,
  eventResponse,
  healthResponse,
  parseResponse,
  type ResponseEnvelope,
  sessionResponse,
} from "./response_envelope.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (payload: Uint8Array) => new TextDecoder().decode(payload);
const event = eventResponse({ sequence: 3, name: "session.opened", payload: { epoch: 2 }, at: unixMs(1_000) });

function isNonsense(payload: Uint8Array | Record<string, unknown>): void {
  const encoded = payload instanceof Uint8Array ? payload : bytes(JSON.stringify(payload));
  assert.throws(
    () => parseResponse(encoded),
    (thrown) => thrown instanceof PalyraError && thrown.code === "protocol_mismatch",
    text(encoded).slice(0, 200),
  );
}

Deno.test("encodeResponse() writes the wire's names, and nothing that is not there", () => {
  const written: readonly [ResponseEnvelope, string][] = [
    [healthResponse(true), '{"protocol_version":1,"kind":"health","ok":true,"node_rpc_mtls_required":true}'],
    [
      event,
      '{"protocol_version":1,"kind":"event","ok":true,"seq":3,"name":"session.opened","payload":{"epoch":2},"at_unix_ms":1000}',
    ],
    [sessionResponse(), '{"protocol_version":1,"kind":"session","ok":true}'],
    [
      errorResponse("unsupported_method", "No."),
      '{"protocol_version":1,"kind":"error","ok":false,"error":"unsupported_method","message":"No."}',
    ],
    [
      errorResponse("event_gap", "Gone.", 7),
      '{"protocol_version":1,"kind":"error","ok":false,"error":"event_gap","message":"Gone.","oldest_seq":7}',
    ],
  ];
  for (const [response, wire] of written) assert.equal(text(encodeResponse(response)), wire);
});

Deno.test("parseResponse() reads what encodeResponse() writes", () => {
  const time = fc.integer({ min: 0, max: 4e12 }).map(unixMs);
  const sequence = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
  const payload = fc.dictionary(fc.stringMatching(/^[a-z_]{1,8}$/), fc.jsonValue(), { noNullPrototype: true })
    .map((each) => JSON.parse(JSON.stringify(each)) as Record<string, unknown>);
  const response = fc.oneof<fc.Arbitrary<ResponseEnvelope>[]>(
    fc.boolean().map(healthResponse),
    fc.constant(sessionResponse()),
    fc.record({ sequence, name: fc.stringMatching(/^[a-z.]{1,20}$/), payload, at: time }).map(eventResponse),
    fc.constantFrom(errorResponse("stream_failure", "Broken."), errorResponse("event_gap", "Gone.", 7)),
  );
  fc.assert(fc.property(response, (each) => assert.deepEqual(parseResponse(encodeResponse(each)), each)));
});

Deno.test("parseResponse() passes over fields that it does not know, and takes codes that it does not know", () => {
  const health = { protocol_version: 1, kind: "health", ok: true, node_rpc_mtls_required: false, load: 0.5 };
  assert.deepEqual(parseResponse(bytes(JSON.stringify(health))), healthResponse(false));
  const error = { protocol_version: 1, kind: "error", ok: false, error: "moon_phase", message: "Wait." };
  assert.deepEqual(parseResponse(bytes(JSON.stringify(error))), {
    kind: "error",
    error: "moon_phase",
    message: "Wait.",
  });
});

Deno.test("parseResponse() makes the daemon's sentences fit to be shown", () => {
  const hostile = errorResponse("internal", `\x1b[2J\u202e${"x".repeat(10_000)}`);
  const parsed = parseResponse(encodeResponse(hostile));
  assert.ok(parsed.kind === "error" && !/[\p{Cc}\u202e]/u.test(parsed.message) && parsed.message.length <= 1_024);
});

Deno.test("parseResponse() throws protocol_mismatch when the payload is no response of this version", () => {
  const error = { protocol_version: 1, kind: "error", ok: false, error: "internal", message: "" };
  for (const payload of ["", "{", "null", "[]", "{}"]) isNonsense(bytes(payload));
  isNonsense(Uint8Array.of(0x22, 0xff, 0x22));
  isNonsense({ ...error, protocol_version: 2 });
  isNonsense({ ...error, ok: true });
  isNonsense({ ...error, kind: "other" });
  isNonsense({ ...error, error: "NO SUCH\n" });
  isNonsense({ ...error, oldest_seq: -1 });
  isNonsense({ protocol_version: 1, kind: "health", ok: true });
  for (const wrong of [{ seq: 0 }, { seq: 1.5 }, { payload: [] }, { payload: null }, { at_unix_ms: "now" }]) {
    isNonsense({ ...JSON.parse(text(encodeResponse(event))), ...wrong });
  }
});

Deno.test("parseResponse() throws nothing but a PalyraError, whatever comes", () => {
  const field = fc.constantFrom("protocol_version", "kind", "ok", "error", "message", "seq", "payload", "__proto__");
  const value = fc.oneof(fc.jsonValue(), fc.constantFrom(1, true, false, "event", "error", "health"));
  const payload = fc.oneof(
    fc.uint8Array(),
    fc.json().map(bytes),
    fc.dictionary(field, value).map((each) => bytes(JSON.stringify(each))),
  );
  fc.assert(fc.property(payload, (each) => {
    try {
      parseResponse(each);
    } catch (thrown) {
      if (!(thrown instanceof PalyraError)) throw thrown;
    }
  }));
});
