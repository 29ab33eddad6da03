import assert from "node:assert/strict";
import { inspect } from "node:util";
import { Metadata, status } from "@grpc/grpc-js";
import { PalyraError } from "../../identity/palyra_error.ts";
import type { ReasonCode } from "../../identity/reason_code.ts";
import { fromServiceError, hasReason, refusalTrailers, toServiceError } from "./grpc_status.ts";

const CASES: [ReasonCode, status][] = [
  ["invalid_input", status.INVALID_ARGUMENT],
  ["certificate_revoked", status.UNAUTHENTICATED],
  ["not_an_operator", status.PERMISSION_DENIED],
  ["pairing_decided", status.FAILED_PRECONDITION],
  ["node_not_found", status.NOT_FOUND],
  ["queue_full", status.RESOURCE_EXHAUSTED],
  ["shutting_down", status.UNAVAILABLE],
  ["deadline_exceeded", status.DEADLINE_EXCEEDED],
  ["cancelled", status.CANCELLED],
  ["unsupported", status.UNIMPLEMENTED],
  ["outcome_unknown", status.INTERNAL],
];

Deno.test("toServiceError() and fromServiceError() keep code and message and give the kind's status", () => {
  for (const [code, expected] of CASES) {
    const sent = new PalyraError(code, `The cause of ${code} and the cure.`, { cause: new Error("private") });
    const wire = toServiceError(sent);
    assert.equal(wire.code, expected, code);
    assert.ok(!inspect(wire, { depth: 10 }).includes("private"));
    const received = fromServiceError(wire);
    assert.equal(received.code, code);
    assert.equal(received.message, sent.message);
    assert.ok(hasReason(wire));
  }
});

Deno.test("toServiceError() and refusalTrailers() say nothing of this machine for trouble that is its own", () => {
  const codes: ReasonCode[] = [
    "state_in_use",
    "state_damaged",
    "state_read_only",
    "state_not_private",
    "state_not_initialised",
    "schema_too_new",
    "invalid_config",
    "listen_failed",
    "runtime_unsupported",
    "self_check_failed",
    "internal",
  ];
  for (const code of codes) {
    const error = new PalyraError(code, "/var/lib/palyra/state.sqlite is what this is about.");
    assert.ok(!inspect(toServiceError(error), { depth: 10 }).includes("/var/lib"), code);
    assert.ok(!decodeURI(refusalTrailers(error)["grpc-message"] ?? "").includes("/var/lib"), code);
    const received = fromServiceError(toServiceError(error));
    assert.equal(received.code, code);
    assert.match(received.message, /^(The other|Something) .* log has the (details|cause)\.$/);
  }
});

Deno.test("fromServiceError() gives a status without reason a code of its own", () => {
  const received = (code: status, details = "") => fromServiceError({ code, details, metadata: new Metadata() });
  assert.equal(received(status.DEADLINE_EXCEEDED).code, "deadline_exceeded");
  assert.equal(received(status.UNIMPLEMENTED).code, "unsupported");
  assert.equal(received(status.UNAUTHENTICATED).code, "certificate_untrusted");
  assert.equal(received(status.RESOURCE_EXHAUSTED).code, "message_too_large");
  assert.equal(received(status.UNKNOWN).code, "internal");
  assert.equal(received(99 as status).code, "internal");
  assert.equal(received(status.UNAVAILABLE, "whatever").code, "daemon_unreachable");
  assert.ok(!hasReason({ code: 14, details: "", metadata: new Metadata() }));
  for (const code of [status.CANCELLED, status.ABORTED, status.INTERNAL, status.NOT_FOUND]) {
    assert.ok(!received(code, "detail of the library").message.includes("library"));
  }
});

Deno.test("fromServiceError() does not take a reason it does not know, and cleans what a peer wrote", () => {
  const metadata = new Metadata();
  metadata.set("palyra-reason", "toString");
  assert.equal(fromServiceError({ code: status.INTERNAL, details: "x", metadata }).code, "internal");
  metadata.set("palyra-reason", "queue_full");
  const error = fromServiceError({
    code: status.RESOURCE_EXHAUSTED,
    details: "full\u001b[2J\n".repeat(1_000),
    metadata,
  });
  assert.equal(error.code, "queue_full");
  assert.equal(error.message.length, 1_024);
  // deno-lint-ignore no-control-regex -- that there is none is the point
  assert.doesNotMatch(error.message, /[\u0000-\u001f]/);
});

Deno.test("fromServiceError() keeps a PalyraError and hides any other value", () => {
  const error = new PalyraError("queue_full", "Full.");
  assert.equal(fromServiceError(error), error);
  for (const thrown of [new Error("private"), undefined, "text", { code: "x" }, { code: 3 }]) {
    assert.equal(fromServiceError(thrown).code, "internal");
  }
});

Deno.test("refusalTrailers() can be sent whatever the message holds", () => {
  const trailers = refusalTrailers(new PalyraError("device_revoked", "Größe 100 % \ud800 – \n end"));
  assert.equal(trailers["grpc-status"], "16");
  assert.equal(trailers["palyra-reason"], "device_revoked");
  assert.match(trailers["grpc-message"] ?? "", /^[\x20-\x7e]+$/);
  assert.equal(decodeURI(trailers["grpc-message"] ?? ""), "Größe 100 % \ufffd – \n end");
});
