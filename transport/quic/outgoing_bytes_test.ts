import assert from "node:assert/strict";
import fc from "fast-check";
import { OutgoingBytes } from "./outgoing_bytes.ts";

Deno.test("OutgoingBytes gives out what was put in, in order, whatever the sizes of the pieces and of what is taken", () => {
  const push = fc.record({ push: fc.uint8Array({ maxLength: 9_000 }) });
  const take = fc.record({ take: fc.integer({ min: 0, max: 20_000 }) });
  fc.assert(fc.property(fc.array(fc.oneof(push, take), { maxLength: 60 }), (steps) => {
    const outgoing = new OutgoingBytes();
    let expected: number[] = [];
    for (const step of steps) {
      if ("push" in step) {
        expected = [...expected, ...step.push];
        outgoing.push(step.push.slice());
      } else {
        const first = outgoing.first ?? new Uint8Array();
        const taken = first.subarray(0, step.take);
        assert.deepEqual([...taken], expected.slice(0, taken.length));
        if (taken.length > 0) outgoing.drop(taken.length);
        expected = expected.slice(taken.length);
      }
      assert.equal(outgoing.length, expected.length);
    }
    const rest: number[] = [];
    for (let first = outgoing.first; first !== undefined; first = outgoing.first) {
      rest.push(...first);
      outgoing.drop(first.length);
    }
    assert.deepEqual(rest, expected);
  }));
});

Deno.test("OutgoingBytes keeps a million small pieces in few chunks", () => {
  const outgoing = new OutgoingBytes();
  const pieces = 1_000_000;
  for (let count = 0; count < pieces; count++) outgoing.push(new Uint8Array(15));
  assert.equal(outgoing.length, pieces * 15);
  let chunks = 0;
  for (let first = outgoing.first; first !== undefined; first = outgoing.first) {
    chunks++;
    outgoing.drop(first.length);
  }
  assert.ok(chunks < 1_000, `${chunks} chunks`);
  assert.equal(outgoing.length, 0);
});
