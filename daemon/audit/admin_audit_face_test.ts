import assert from "node:assert/strict";
import { unixMs } from "../../identity/unix_ms.ts";
import { DaemonBench } from "../testing/daemon_bench.ts";
import { isError } from "../testing/pairing_bench.ts";
import { AdminAuditFace, parseAuditKind } from "./admin_audit_face.ts";
import { auditRecordHash } from "./audit_chain.ts";
import { isAuditHash, NO_AUDIT_HASH } from "./audit_hash.ts";
import { AuditLog } from "./audit_log.ts";

async function withFace(body: (face: AdminAuditFace, bench: DaemonBench) => Promise<void>): Promise<void> {
  await using bench = await DaemonBench.open();
  const { store, clock } = bench.pairing;
  const log = new AuditLog({ store, anchor: { noteArchived: () => Promise.resolve() }, clock });
  try {
    await body(new AdminAuditFace(log), bench);
  } finally {
    log.close();
  }
}

const never = new AbortController().signal;
const EVERYTHING = { afterSequence: 0, kind: "", follow: false };

Deno.test("AdminAuditFace.readAudit() shows records whole: whoever has them can check their hashes", () =>
  withFace(async (face, bench) => {
    await bench.pairedNode("laptop");
    const views = await Array.fromAsync(face.readAudit(EVERYTHING, never));
    assert.ok(views.length > 3);
    for (const { sequence, atUnixMs, kind, actor, subject, detailsJson, previousHash, hash } of views) {
      assert.ok(isAuditHash(previousHash));
      const at = unixMs(atUnixMs);
      const record = {
        sequence,
        at,
        kind,
        actor,
        subject,
        detailsJson: new TextDecoder().decode(detailsJson),
        previousHash,
      };
      assert.equal(auditRecordHash(record), hash);
    }
    const kinds = await Array.fromAsync(face.readAudit({ ...EVERYTHING, kind: "pairing.approved" }, never));
    assert.deepEqual(kinds.map(({ kind }) => kind), ["pairing.approved"]);
    const unknown = face.readAudit({ ...EVERYTHING, kind: "pairing.banana" }, never);
    await assert.rejects(unknown.next(), isError("invalid_argument", /pairing\.approved/));
  }));

Deno.test("AdminAuditFace.forgetArchivedAudit() is for the operator of the daemon's own machine only", () =>
  withFace(async (face, bench) => {
    const { pairing } = bench;
    const local = await bench.localOperator();
    const { secretText } = await pairing.mint({ approve: true, clientKind: "cli" });
    const { request } = await pairing.pair(secretText, undefined, "cli");
    const device = pairing.devices.get(request.deviceId);
    assert.ok(device);
    const [first] = await Array.fromAsync(face.readAudit(EVERYTHING, never));
    assert.ok(first);
    const forget = { throughSequence: first.sequence, hash: first.hash };
    await assert.rejects(face.forgetArchivedAudit(forget, { ...local, device }), isError("not_an_operator"));
    const wrong = { ...forget, hash: "banana" };
    await assert.rejects(face.forgetArchivedAudit(wrong, local), isError("invalid_argument"));
    await assert.rejects(face.forgetArchivedAudit({ ...forget, hash: NO_AUDIT_HASH }, local), isError("audit_broken"));
    assert.deepEqual(await face.forgetArchivedAudit(forget, local), { deleted: 1 });
    const actor = (await Array.fromAsync(face.readAudit(EVERYTHING, never))).at(-1)?.actor;
    assert.equal(actor, `local operator (${local.device.deviceId})`);
  }));

Deno.test("parseAuditKind() takes a kind and names them all when it is none", () => {
  assert.equal(parseAuditKind("request.ended"), "request.ended");
  for (const text of ["", "request", "toString", "REQUEST.ENDED"]) {
    assert.throws(() => parseAuditKind(text), isError("invalid_argument", /request\.ended/));
  }
});
