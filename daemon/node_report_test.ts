import assert from "node:assert/strict";
import { PalyraError } from "../identity/palyra_error.ts";
import { CapabilityResult, Progress } from "../proto/gen/node.ts";
import { checkProgress, checkResult } from "./node_report.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

Deno.test("checkResult() takes JSON as it is and calls anything else a failure", () => {
  const good = checkResult(CapabilityResult.create({ success: true, outputJson: bytes(`{"a":1}`), error: "ignored" }));
  assert.deepEqual(good, { success: true, outputJson: bytes(`{"a":1}`), errorCode: "", error: "" });
  for (const output of [bytes("\u001b]0;owned\u0007 not json"), bytes(""), new Uint8Array([0x22, 0xff, 0x22])]) {
    const bad = checkResult(CapabilityResult.create({ success: true, outputJson: output }));
    assert.deepEqual([bad.success, bad.errorCode, bad.outputJson.length], [false, "invalid_output", 0]);
  }
});

Deno.test("checkResult() lets no escape sequence, flood or made-up code through in a reason", () => {
  const error = `\u001b]52;c;ZXZpbA==\u0007${"x".repeat(5_000_000)}`;
  const failed = checkResult(CapabilityResult.create({ errorCode: "Not A Code\n", error, outputJson: bytes("1") }));
  assert.equal(failed.errorCode, "execution_failed");
  assert.equal(failed.outputJson.length, 0);
  assert.ok(failed.error.length < 2_048);
  assert.doesNotMatch(failed.error, /[\p{C}]/u);
  assert.equal(
    checkResult(CapabilityResult.create({ errorCode: "mediation_required" })).errorCode,
    "mediation_required",
  );
});

Deno.test("checkProgress() refuses what is no JSON or too much of it", () => {
  assert.deepEqual(checkProgress(Progress.create({ sequence: 3, payloadJson: bytes("0.5") })), {
    sequence: 3,
    payloadJson: bytes("0.5"),
  });
  for (const payloadJson of [bytes("half"), bytes(JSON.stringify("x".repeat(70_000)))]) {
    assert.throws(() => checkProgress(Progress.create({ sequence: 1, payloadJson })), PalyraError);
  }
});
