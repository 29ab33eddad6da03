import assert from "node:assert/strict";
import { unixMs } from "../identity/unix_ms.ts";
import { PROGRESS_BYTES_KEPT, PROGRESS_KEPT } from "./store/request_progress_record.ts";
import { UnwrittenProgress } from "./unwritten_progress.ts";

const report = (sequence: number, bytes = 1) => ({
  attempt: 1,
  sequence,
  payloadJson: new Uint8Array(bytes),
  at: unixMs(0),
});
const sequences = (unwritten: UnwrittenProgress) => unwritten.reports.map(({ sequence }) => sequence);

Deno.test("UnwrittenProgress keeps the newest within its bounds, of number and of bytes", () => {
  const many = new UnwrittenProgress();
  for (let sequence = 1; sequence <= PROGRESS_KEPT + 10; sequence++) many.add(report(sequence));
  assert.deepEqual([sequences(many)[0], many.reports.length], [11, PROGRESS_KEPT]);
  const large = new UnwrittenProgress();
  for (let sequence = 1; sequence <= 9; sequence++) large.add(report(sequence, PROGRESS_BYTES_KEPT / 4));
  assert.deepEqual(sequences(large), [6, 7, 8, 9]);
  large.add(report(10, PROGRESS_BYTES_KEPT * 2));
  assert.deepEqual(sequences(large), [10], "the newest stays however large");
});

Deno.test("UnwrittenProgress.drop() takes out what was written, and not what came meanwhile", () => {
  const unwritten = new UnwrittenProgress();
  for (const sequence of [1, 2]) unwritten.add(report(sequence));
  const written = unwritten.reports;
  unwritten.add(report(3));
  assert.deepEqual(written.map(({ sequence }) => sequence), [1, 2], "what is being written does not change");
  unwritten.drop(written);
  assert.deepEqual(sequences(unwritten), [3]);
  assert.equal(unwritten.isEmpty, false);
});
