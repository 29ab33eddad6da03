import assert from "node:assert/strict";
import { join } from "node:path";
import { isError } from "../testing/pairing_bench.ts";
import { aChain } from "../testing/audit_chain.ts";
import { auditLine, parseAuditLine, readAuditFile } from "./audit_file.ts";
import { AuditFileWriter } from "./audit_file_writer.ts";
import { UnreadableRecordError } from "./unreadable_record_error.ts";

async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const chain = aChain(500);

async function written(path: string): Promise<AuditFileWriter> {
  const writer = await AuditFileWriter.create(path);
  // deno-lint-ignore no-await-in-loop -- one line after the other
  for (const record of chain) await writer.write(record);
  await writer.finish();
  return writer;
}

Deno.test("readAuditFile() reads what AuditFileWriter wrote, which its owner alone can", () =>
  inFolder(async (folder) => {
    const path = join(folder, "audit.jsonl");
    await written(path);
    assert.deepEqual(await Array.fromAsync(readAuditFile(path)), chain);
    assert.equal(((await Deno.stat(path)).mode ?? 0) & 0o777, 0o600);
  }));

Deno.test("readAuditFile() closes the file when its reader leaves early", () =>
  inFolder(async (folder) => {
    const path = join(folder, "audit.jsonl");
    await written(path);
    for await (const record of readAuditFile(path)) {
      assert.equal(record.sequence, 1);
      break;
    }
  }));

Deno.test("AuditFileWriter.create() writes over nothing, and discard() leaves nothing", () =>
  inFolder(async (folder) => {
    const path = join(folder, "audit.jsonl");
    const writer = await written(path);
    await assert.rejects(AuditFileWriter.create(path), isError("invalid_argument", /already/));
    await assert.rejects(AuditFileWriter.create(join(path, "file")), isError("invalid_argument", /folder/));
    await assert.rejects(AuditFileWriter.create(join(folder, "no", "folder")), isError("invalid_argument", /folder/));
    await writer.discard();
    assert.deepEqual(await Array.fromAsync(Deno.readDir(folder)), []);
  }));

Deno.test("parseAuditLine() does not mind the order of members, and refuses what is no record", () => {
  const [record] = chain;
  assert.ok(record);
  const line = auditLine(record);
  const reversed = Object.fromEntries(Object.entries(line).toReversed());
  assert.deepEqual(parseAuditLine(JSON.stringify(reversed)), record);
  const { actor: _, ...incomplete } = line;
  for (
    const wrong of [incomplete, { ...line, hash: "no" }, { ...line, sequence: -1 }, { ...line, more: 1 }, [], null]
  ) {
    assert.throws(() => parseAuditLine(JSON.stringify(wrong)), UnreadableRecordError);
  }
  assert.throws(() => parseAuditLine("{"), UnreadableRecordError);
});

Deno.test("auditLine() shows details that are no JSON object as text, and they come back as they were", () => {
  const [record] = chain;
  assert.ok(record);
  for (const detailsJson of ["not json\n{}", "[1]", '{"b":1, "a":2}', "{".repeat(100)]) {
    const line = auditLine({ ...record, detailsJson });
    const back = parseAuditLine(JSON.stringify(line));
    // Only what is not canonical, which nobody wrote but a forger, comes back otherwise.
    assert.equal(back.detailsJson, detailsJson.startsWith('{"b"') ? '{"a":2,"b":1}' : detailsJson);
  }
});

Deno.test("readAuditFile() gives up at a line without an end", () =>
  inFolder(async (folder) => {
    const path = join(folder, "audit.jsonl");
    await Deno.writeTextFile(path, `{"sequence":"${"1".repeat(1_000_000)}`);
    await assert.rejects(Array.fromAsync(readAuditFile(path)), UnreadableRecordError);
  }));
