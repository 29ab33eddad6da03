import assert from "node:assert/strict";
import type { AuditRecord } from "../store/audit_record.ts";
import { aChain, anAct, rechained, timeOf } from "../testing/audit_chain.ts";
import { auditRecordHash, nextAuditRecord } from "./audit_chain.ts";
import { auditHashOf } from "./audit_hash.ts";
import { AuditWalk } from "./audit_walk.ts";
import { UnreadableRecordError } from "./unreadable_record_error.ts";

async function walked(records: AsyncIterable<AuditRecord> | Iterable<AuditRecord>): Promise<AuditWalk> {
  const walk = new AuditWalk();
  await walk.along(records);
  return walk;
}

const chain = aChain(9);
/** The record of that number. */
function at(number: number): AuditRecord {
  const record = chain[number - 1];
  assert.ok(record);
  return record;
}
const changed = (number: number, changes: Partial<AuditRecord>) =>
  chain.with(number - 1, { ...at(number), ...changes });
const without = (...numbers: number[]) => chain.filter(({ sequence }) => !numbers.includes(sequence));
const renumbered = (records: readonly AuditRecord[]) =>
  records.map((record, index) => ({ ...record, sequence: index + 1 }));
/** Both as they were, each under the number of the other. */
const swapped = (left: number, right: number) =>
  chain.with(left - 1, { ...at(right), sequence: left }).with(right - 1, { ...at(left), sequence: right });
/** What somebody makes up for a place in the chain: it fits the one before it. */
function madeUp(number: number): AuditRecord {
  const { previousHash } = at(number);
  return nextAuditRecord({ sequence: number - 1, hash: previousHash }, anAct(99), timeOf(number));
}

Deno.test("AuditWalk finds nothing wrong with a chain as it was written, nor with none at all", async () => {
  const walk = await walked(chain);
  assert.equal(walk.flaw, undefined);
  assert.deepEqual([walk.first?.sequence, walk.count, walk.head], [1, 9, { sequence: 9, hash: at(9).hash }]);
  assert.equal((await walked([])).flaw, undefined);
});

Deno.test("AuditWalk takes a chain whose beginning was archived, and one that comes in several parts", async () => {
  const rest = await walked(chain.slice(4));
  assert.deepEqual([rest.flaw, rest.first?.sequence, rest.count], [undefined, 5, 5]);
  const parts = new AuditWalk();
  await parts.along(chain.slice(0, 4));
  await parts.along(chain.slice(4));
  assert.deepEqual([parts.flaw, parts.count], [undefined, 9]);
});

for (
  const [what, records, kind, sequence, message] of [
    ["a changed time", changed(4, { at: timeOf(5) }), "changed", 4, /content/],
    ["a changed kind", changed(4, { kind: "device.removed" }), "changed", 4, /content/],
    ["a changed actor", changed(1, { actor: "nobody" }), "changed", 1, /content/],
    ["changed details of the newest", changed(9, { detailsJson: "{}" }), "changed", 9, /content/],
    ["a changed hash", changed(4, { hash: auditHashOf("") }), "changed", 4, /its hash/],
    ["a changed link", changed(4, { previousHash: auditHashOf("") }), "changed", 4, /content/],
    ["a record made up in the place of another", chain.with(3, madeUp(4)), "replaced", 4, /record 5 goes on/],
    [
      "a first record that has another before it",
      rechained(chain.slice(2)).with(0, {
        ...at(3),
        sequence: 1,
        hash: auditRecordHash({ ...at(3), sequence: 1 }),
      }),
      "replaced",
      1,
      /does not begin/,
    ],
    ["a removed record", without(4), "removed", 4, /^Record 4 is missing/],
    ["several removed records", without(4, 5, 6), "removed", 4, /^Records 4 to 6 are missing/],
    ["a removed record, those behind it renumbered", renumbered(without(4)), "removed", 4, /record 5 was put/],
    ["two neighbours swapped", swapped(4, 5), "swapped", 4, /^Record 4 and record 5 stand/],
    ["two distant records swapped", swapped(2, 8), "swapped", 2, /^Record 2 and record 8 stand/],
    ["two records in the wrong order", chain.with(3, at(5)).with(4, at(4)), "removed", 4, /missing/],
    ["a record twice", chain.toSpliced(4, 0, at(4)), "swapped", 4, /behind record 4/],
    [
      "a record put in, those behind it renumbered",
      renumbered(chain.toSpliced(3, 0, madeUp(4))),
      "inserted",
      4,
      /put in/,
    ],
    ["a record put in before the first", renumbered([madeUp(1), ...chain]), "inserted", 1, /put in/],
  ] as const
) {
  Deno.test(`AuditWalk finds ${what}`, async () => {
    const { flaw } = await walked(records);
    assert.deepEqual([flaw?.kind, flaw?.sequence], [kind, sequence]);
    assert.match(flaw?.message ?? "", message);
  });
}

Deno.test("AuditWalk names the first of two flaws", async () => {
  const { flaw } = await walked(changed(3, { actor: "nobody" }).filter(({ sequence }) => sequence !== 7));
  assert.deepEqual([flaw?.kind, flaw?.sequence], ["changed", 3]);
});

Deno.test("AuditWalk finds what cannot be read in the place of a record", async () => {
  const { flaw } = await walked((function* () {
    yield* chain.slice(0, 4);
    throw new UnreadableRecordError("a column holds what no record has");
  })());
  assert.deepEqual([flaw?.kind, flaw?.sequence], ["unreadable", 5]);
});

Deno.test("AuditWalk tells the hash of a record and the record of a hash that it was to look out for", async () => {
  const walk = new AuditWalk({ sequence: 4, hash: at(7).hash });
  await walk.along(chain);
  assert.deepEqual([walk.hashAtGoal, walk.sequenceAtGoal], [at(4).hash, 7]);
});
