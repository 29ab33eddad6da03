import assert from "node:assert/strict";
import { join } from "node:path";
import { SecretStore } from "../../identity/secret_store.ts";
import { NOW } from "../testing/store_records.ts";
import {
  AUDIT_ANCHOR_FILE,
  type AuditAnchor,
  makeAuditKey,
  readAuditAnchor,
  readAuditKey,
  writeAuditAnchor,
} from "./audit_anchor.ts";
import { auditHashOf } from "./audit_hash.ts";

const ANCHOR: AuditAnchor = {
  sequence: 17,
  hash: auditHashOf("17"),
  at: NOW,
  closed: false,
  archived: { sequence: 3, hash: auditHashOf("3") },
};
const KEY = new Uint8Array(32).fill(7);

async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("readAuditAnchor() reads what writeAuditAnchor() wrote, with the same key", () =>
  inFolder(async (folder) => {
    await writeAuditAnchor(folder, KEY, ANCHOR);
    assert.deepEqual(await readAuditAnchor(folder, KEY), ANCHOR);
    await writeAuditAnchor(folder, KEY, { ...ANCHOR, closed: true });
    assert.deepEqual(await readAuditAnchor(folder, KEY), { ...ANCHOR, closed: true });
    assert.equal(await readAuditAnchor(folder, new Uint8Array(32)), "forged");
    assert.equal(await readAuditAnchor(folder, undefined), "forged");
    assert.equal(((await Deno.stat(join(folder, AUDIT_ANCHOR_FILE))).mode ?? 0) & 0o777, 0o600);
  }));

Deno.test("readAuditAnchor() does not take an anchor of which one member was changed", () =>
  inFolder(async (folder) => {
    const path = join(folder, AUDIT_ANCHOR_FILE);
    await writeAuditAnchor(folder, KEY, ANCHOR);
    const content: Record<string, unknown> = JSON.parse(await Deno.readTextFile(path));
    const changes = {
      sequence: 16,
      hash: auditHashOf("16"),
      at_unix_ms: NOW + 1,
      closed: true,
      archived: { sequence: 4, hash: auditHashOf("3") },
      mac: auditHashOf(""),
    };
    for (const [name, value] of Object.entries(changes)) {
      // deno-lint-ignore no-await-in-loop -- one file
      await Deno.writeTextFile(path, JSON.stringify({ ...content, [name]: value }));
      // deno-lint-ignore no-await-in-loop -- one file
      assert.equal(await readAuditAnchor(folder, KEY), "forged", name);
    }
    const { archived: _, ...without } = content;
    await Deno.writeTextFile(path, JSON.stringify(without));
    assert.equal(await readAuditAnchor(folder, KEY), "forged");
    await Deno.writeTextFile(path, JSON.stringify(content));
    assert.deepEqual(await readAuditAnchor(folder, KEY), ANCHOR);
  }));

Deno.test("readAuditAnchor() tells one that is missing from one that is none", () =>
  inFolder(async (folder) => {
    assert.equal(await readAuditAnchor(folder, KEY), "missing");
    for (const text of ["", "{", "[]", "{}", " ".repeat(5_000)]) {
      // deno-lint-ignore no-await-in-loop -- one file
      await Deno.writeTextFile(join(folder, AUDIT_ANCHOR_FILE), text);
      // deno-lint-ignore no-await-in-loop -- one file
      assert.equal(await readAuditAnchor(folder, KEY), "forged", text);
    }
  }));

Deno.test("makeAuditKey() makes a key that readAuditKey() finds, and another each time", () =>
  inFolder(async (folder) => {
    const secrets = await SecretStore.open(join(folder, "secrets"));
    assert.equal(await readAuditKey(secrets), undefined);
    const key = await makeAuditKey(secrets);
    assert.deepEqual(await readAuditKey(secrets), key);
    assert.notDeepEqual(await makeAuditKey(secrets), key);
    await secrets.write("audit-key", key.subarray(1));
    assert.equal(await readAuditKey(secrets), undefined, "too short");
  }));
