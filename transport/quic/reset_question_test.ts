import assert from "node:assert/strict";
import { destinationOf, newConnectionId } from "./connection_id.ts";
import { ResetQuestion } from "./reset_question.ts";
import { RESET_KEY_BYTES, StatelessResets } from "./stateless_reset.ts";

Deno.test("ResetQuestion is addressed to the first id, and answered with its token by who does not know it", () => {
  const first = newConnectionId();
  const question = new ResetQuestion(first).next(newConnectionId());
  assert.ok(question !== undefined);
  assert.equal(destinationOf(question), first.toHex());
  assert.equal((question[0] ?? 0) & 0xc0, 0x40);
  const resets = new StatelessResets(new Uint8Array(RESET_KEY_BYTES).fill(7));
  assert.deepEqual(resets.answerTo(question)?.subarray(-16), resets.tokenOf(first));
});

Deno.test("ResetQuestion asks nothing while the first id is in use, whose reset is understood", () => {
  const first = newConnectionId();
  assert.equal(new ResetQuestion(first).next(first.slice()), undefined);
});

Deno.test("ResetQuestion asks at most once a second, however often something comes", () => {
  let now = 5_000;
  const question = new ResetQuestion(newConnectionId(), () => now);
  const present = newConnectionId();
  const asks = () => question.next(present) !== undefined;
  assert.ok(asks());
  now += 999;
  assert.ok(!asks());
  now += 1;
  assert.ok(asks());
});
