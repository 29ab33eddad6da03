import assert from "node:assert/strict";
import { parsePairingChallenge, parsePairingCompletion } from "./pairing_message.ts";
import { begin } from "./pairing_test_support.ts";

Deno.test("parsePairingChallenge() and parsePairingCompletion() keep every field when the form is right", async () => {
  await Promise.all((["qr", "pin"] as const).map(async (method) => {
    const { session, attempt } = await begin(method);
    assert.deepEqual(parsePairingChallenge(session.challenge()), session.challenge());
    assert.deepEqual(parsePairingCompletion(attempt.completion), attempt.completion);
  }));
});

Deno.test("parsePairingCompletion() drops what it does not know when a field is unheard of", async () => {
  const { attempt } = await begin("qr");
  const more = { ...attempt.completion, admin: true };
  assert.deepEqual(parsePairingCompletion(more), attempt.completion);
});
