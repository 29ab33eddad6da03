import assert from "node:assert/strict";
import type { AuditRecord } from "../store/audit_record.ts";
import { aChain, rechained, timeOf } from "../testing/audit_chain.ts";
import type { AuditAnchor } from "./audit_anchor.ts";
import { EMPTY_AUDIT, nextAuditRecord } from "./audit_chain.ts";
import { auditHashOf } from "./audit_hash.ts";
import { type AuditVerificationOptions, type AuditWitness, verifyAudit } from "./audit_verification.ts";

const chain = aChain(9);

function anchorAt(number: number, records: readonly AuditRecord[] = chain, closed = false): AuditAnchor {
  const { sequence, hash } = records.find(({ sequence }) => sequence === number) ?? EMPTY_AUDIT;
  return { sequence, hash, at: timeOf(number), closed, archived: undefined };
}

/** The flaw that is found in a table, next to what the state folder knows. */
async function flawOf(
  table: readonly AuditRecord[],
  witness: Partial<AuditWitness> = {},
  more: AuditVerificationOptions = {},
) {
  const { flaw } = await verifyAudit({
    table,
    witness: { anchor: anchorAt(9), highestSequence: 9, ...witness },
    ...more,
  });
  return flaw && [flaw.kind, flaw.sequence];
}

/** The chain as it is after its first records were archived, at the time of the ninth. */
function archivedThrough(number: number): AuditRecord[] {
  const last = chain[number - 1] ?? EMPTY_AUDIT;
  const head = chain.at(-1) ?? EMPTY_AUDIT;
  const details = { first_sequence: 1, last_sequence: last.sequence, last_hash: last.hash };
  const archived = nextAuditRecord(head, { kind: "audit.archived", actor: "", subject: "", details }, timeOf(10));
  return [...chain.slice(number), archived];
}

Deno.test("verifyAudit() reports an intact audit, how far the anchor proves it, and what it begins with", async () => {
  const report = await verifyAudit({ table: chain, witness: { anchor: anchorAt(7), highestSequence: 9 } });
  assert.deepEqual(report, {
    flaw: undefined,
    count: 9,
    first: 1,
    head: { sequence: 9, hash: chain[8]?.hash },
    anchor: anchorAt(7),
    expectedAt: undefined,
  });
});

Deno.test("verifyAudit() takes an audit without any record, and the anchor that was written before the first", async () => {
  assert.equal(await flawOf([], { anchor: "missing", highestSequence: 0 }), undefined);
  assert.equal(await flawOf([], { anchor: anchorAt(0), highestSequence: 0 }), undefined);
  assert.equal(await flawOf(chain, { anchor: anchorAt(0) }), undefined);
});

Deno.test("verifyAudit() finds a tail that was cut off, by the anchor or by the table's own count", async () => {
  assert.deepEqual(await flawOf(chain.slice(0, 6), { highestSequence: 6 }), ["truncated", 7]);
  assert.deepEqual(await flawOf(chain.slice(0, 8), { highestSequence: 8 }), ["truncated", 9]);
  assert.deepEqual(await flawOf(chain.slice(0, 6), { anchor: anchorAt(5) }), ["truncated", 7], "newer than the anchor");
  assert.deepEqual(await flawOf([], { highestSequence: 0 }), ["truncated", 1]);
  assert.deepEqual(await flawOf([], { anchor: "missing" }), ["truncated", 1]);
});

Deno.test("verifyAudit() finds a chain that was made anew, however well its records fit each other", async () => {
  const anew = rechained(chain.map((record) => ({ ...record, actor: "nobody" })));
  assert.deepEqual(await flawOf(anew), ["rewritten", 9]);
  assert.deepEqual(await flawOf(anew, { anchor: anchorAt(5) }), ["rewritten", 5]);
  // From the sixth on only, behind the anchor: the chain alone does not tell.
  const end = rechained([...chain.slice(0, 5), ...anew.slice(5)]);
  assert.equal(await flawOf(end, { anchor: anchorAt(5) }), undefined);
  assert.deepEqual(await flawOf(end, { anchor: anchorAt(6) }), ["rewritten", 6]);
});

Deno.test("verifyAudit() finds records that were added while no daemon ran", async () => {
  assert.deepEqual(await flawOf(chain, { anchor: anchorAt(7, chain, true) }), ["added", 8]);
  assert.equal(await flawOf(chain, { anchor: anchorAt(9, chain, true) }), undefined);
});

Deno.test("verifyAudit() finds an anchor that is gone or was not written by the daemon", async () => {
  assert.deepEqual(await flawOf(chain, { anchor: "missing" }), ["anchor_missing", 0]);
  assert.deepEqual(await flawOf(chain, { anchor: "forged" }), ["anchor_forged", 0]);
});

Deno.test("verifyAudit() tells a beginning that was archived from one that was cut off", async () => {
  const rest = archivedThrough(4);
  const witness = { anchor: anchorAt(10, rest), highestSequence: 10 };
  assert.equal(await flawOf(rest, witness), undefined);
  assert.deepEqual(await flawOf(chain.slice(4)), ["removed", 1]);
  assert.deepEqual(await flawOf(rest.slice(1), witness), ["removed", 1], "one more than was archived");
  assert.equal(
    await flawOf(rest, { anchor: anchorAt(4), highestSequence: 10 }),
    undefined,
    "the last that was archived",
  );
  const other = { ...anchorAt(4), hash: auditHashOf("4") };
  assert.deepEqual(await flawOf(rest, { anchor: other, highestSequence: 10 }), ["rewritten", 4]);
  assert.deepEqual(await flawOf(rest, { anchor: anchorAt(3), highestSequence: 10 }), ["rewritten", 3]);
});

Deno.test("verifyAudit() believes that a beginning was archived when the anchor says so, whatever a record says", async () => {
  const rest = archivedThrough(4);
  const flawWith = (number: number) => {
    const { sequence, hash } = chain[number - 1] ?? EMPTY_AUDIT;
    // As after a kill: the record of the archive is newer than the anchor, which does not prove it.
    const anchor = { ...anchorAt(9), archived: { sequence, hash } };
    return flawOf(rest, { anchor, highestSequence: 10 });
  };
  assert.deepEqual(await flawWith(0), ["removed", 1]);
  assert.deepEqual(await flawWith(3), ["removed", 4]);
  assert.equal(await flawWith(4), undefined);
  assert.equal(await flawWith(5), undefined, "the next step of the archive has not come so far");
});

Deno.test("verifyAudit() goes from archived files on into the table", async () => {
  const rest = archivedThrough(4);
  const witness = { anchor: anchorAt(10, rest), highestSequence: 10 };
  const file = async function* (from: number, to: number) {
    yield* await Promise.resolve(chain.slice(from, to));
  };
  assert.equal(await flawOf(rest, witness, { files: [file(0, 2), file(2, 4)] }), undefined);
  assert.equal(await flawOf(rest, witness, { files: [file(2, 4)] }), undefined, "an older archive need not be at hand");
  assert.deepEqual(await flawOf(rest, witness, { files: [file(0, 3)] }), ["removed", 4]);
  const changed = chain.slice(0, 4).with(1, { ...chain[1] ?? assert.fail(), actor: "nobody" });
  assert.deepEqual(
    await flawOf(rest, witness, {
      files: [(async function* () {
        yield* await Promise.resolve(changed);
      })()],
    }),
    ["changed", 2],
  );
});

Deno.test("verifyAudit() looks for a head that was noted elsewhere", async () => {
  const expecting = (number: number) => ({ expectedHash: chain[number - 1]?.hash });
  const report = await verifyAudit({ table: chain, ...expecting(5) });
  assert.deepEqual([report.flaw, report.expectedAt], [undefined, 5]);
  assert.deepEqual(await flawOf(chain, {}, { expectedHash: auditHashOf("") }), ["head_not_found", 0]);
  const rest = archivedThrough(4);
  const witness = { anchor: anchorAt(10, rest), highestSequence: 10 };
  assert.equal(await flawOf(rest, witness, expecting(4)), undefined, "the last that was archived");
  assert.deepEqual(await flawOf(rest, witness, expecting(3)), ["head_not_found", 0], "it is in the archive");
});

Deno.test("verifyAudit() does not forget what the daemon once found", async () => {
  const head = chain.at(-1) ?? EMPTY_AUDIT;
  const details = {
    finding: "the newest records were deleted",
    expected_sequence: 12,
    expected_hash: auditHashOf("12"),
    found_sequence: 9,
    found_hash: head.hash,
  };
  const damaged = nextAuditRecord(head, { kind: "audit.damaged", actor: "", subject: "", details }, timeOf(10));
  const table = [...chain, damaged];
  const { flaw } = await verifyAudit({ table, witness: { anchor: anchorAt(10, table), highestSequence: 10 } });
  assert.deepEqual([flaw?.kind, flaw?.sequence], ["damage_recorded", 10]);
  assert.match(flaw?.message ?? "", /the newest records were deleted/);
});
