import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { unixMs } from "../../identity/unix_ms.ts";
import {
  auditRecordHash,
  EMPTY_AUDIT,
  MAX_AUDIT_DETAILS_CHARACTERS,
  MAX_AUDIT_TEXT_CHARACTERS,
  nextAuditRecord,
} from "./audit_chain.ts";
import { NO_AUDIT_HASH } from "./audit_hash.ts";

const AT = unixMs(1_790_000_000_000);

Deno.test("auditRecordHash() is the SHA-256 of the eight netstrings that its documentation names", () => {
  const record = {
    sequence: 17,
    at: AT,
    kind: "device.revoked",
    actor: "Jörg",
    subject: "01JT0000000000000000000000",
    detailsJson: '{"device_name":"laptop","reason":"stolen"}',
    previousHash: NO_AUDIT_HASH,
  };
  const encoded = "14:palyra audit 1,2:17,13:1790000000000,14:device.revoked,5:Jörg,26:01JT0000000000000000000000," +
    `42:{"device_name":"laptop","reason":"stolen"},64:${"0".repeat(64)},`;
  assert.equal(auditRecordHash(record), createHash("sha256").update(encoded).digest("hex"));
});

Deno.test("auditRecordHash() changes with each member of a record", () => {
  const { hash, ...record } = nextAuditRecord(EMPTY_AUDIT, {
    kind: "device.revoked",
    actor: "a",
    subject: "b",
    details: { device_name: "c", reason: "d" },
  }, AT);
  const changed = [
    { sequence: 2 },
    { at: unixMs(AT + 1) },
    { kind: "device.removed" },
    { actor: "ab", subject: "" },
    { subject: "B" },
    { detailsJson: "{}" },
    { previousHash: hash },
  ];
  const hashes = [hash, ...changed.map((change) => auditRecordHash({ ...record, ...change }))];
  assert.equal(new Set(hashes).size, changed.length + 1);
});

Deno.test("nextAuditRecord() bounds what it takes in, so that no act is too long to be recorded", () => {
  const record = nextAuditRecord(EMPTY_AUDIT, {
    kind: "device.revoked",
    actor: "a\n".repeat(1_000),
    subject: "\u202e\ud83d",
    details: { device_name: "", reason: "x".repeat(MAX_AUDIT_DETAILS_CHARACTERS) },
  }, AT);
  assert.equal(record.actor, "a\ufffd".repeat(MAX_AUDIT_TEXT_CHARACTERS / 2));
  assert.equal(record.subject, "\ufffd\ufffd");
  assert.match(record.detailsJson, /^\{"sha256":"[0-9a-f]{64}","too_long":true\}$/);
  assert.deepEqual([record.sequence, record.previousHash], [1, NO_AUDIT_HASH]);
});
