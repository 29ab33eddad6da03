import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { createCertificateRequest } from "../../identity/certificate_request.ts";
import type { DeviceId } from "../../identity/device_id.ts";
import { DeviceIdentity } from "../../identity/device_identity.ts";
import { parseQrToken } from "../../identity/qr_token.ts";
import { TlsKey } from "../../identity/tls_key.ts";
import { readDaemonConfig } from "../daemon_config.ts";
import { DaemonState } from "../daemon_state.ts";
import { type JsonObject, parseJsonObject } from "../json_object.ts";
import { renewOperatorCredentials } from "../operator_credentials.ts";
import type { AuditRecord } from "../store/audit_record.ts";
import type { Store } from "../store/store.ts";
import { DaemonBench } from "../testing/daemon_bench.ts";
import { APPROVE, FROM } from "../testing/pairing_bench.ts";
import { aRequest } from "../testing/store_records.ts";
import { AUDIT_KINDS, type AuditKind } from "./audit_act.ts";
import { AuditLog } from "./audit_log.ts";
import { recordDaemonStart, recordDaemonStop } from "./daemon_run_record.ts";
import { auditRequestEnd } from "./request_end_record.ts";

/** What a record says, without what is another each time. */
interface Said {
  readonly kind: string;
  readonly actor: string;
  readonly subject: string;
  readonly details: JsonObject | undefined;
}

function read(store: Store, after = 0): Promise<AuditRecord[]> {
  return store.transaction((tx) => tx.audit.read({ after, limit: 1_000 }));
}

function said({ kind, actor, subject, detailsJson }: AuditRecord): Said {
  return { kind, actor, subject, details: parseJsonObject(detailsJson) };
}

const kindsOf = (records: readonly Said[]) => records.map(({ kind }) => kind);

async function csrOf(deviceId: DeviceId): Promise<Uint8Array> {
  return await createCertificateRequest({ deviceId, tlsKey: await TlsKey.generate() });
}

/** Each act, and the kinds of the records that it leaves, in order. */
const ACTS: readonly {
  readonly name: string;
  readonly kinds: readonly AuditKind[];
  /** Prepares the act, and returns it. */
  readonly prepare: (bench: DaemonBench) => Promise<() => Promise<unknown>>;
  /** What the last of the records says, beside its kind. */
  readonly last?: (record: Said, bench: DaemonBench) => void;
}[] = [
  {
    name: "a code is made",
    kinds: ["pairing_code.minted"],
    prepare: ({ pairing }) => Promise.resolve(() => pairing.mint({ approve: true })),
    last: ({ actor, details }) => {
      assert.equal(actor, "operator");
      assert.deepEqual([details?.["method"], details?.["client_kind"], details?.["approve"]], ["qr", "node", true]);
    },
  },
  {
    name: "a PIN takes the place of another",
    kinds: ["pairing_code.replaced", "pairing_code.minted"],
    prepare: async ({ pairing }) => {
      await pairing.mint({ method: "pin" });
      return () => pairing.mint({ method: "pin" });
    },
  },
  {
    name: "a try fails",
    kinds: ["pairing_code.tried", "pairing.failed"],
    prepare: async ({ pairing }) => {
      const { secretText } = await pairing.mint({ method: "pin" });
      return () => pairing.failTry(secretText);
    },
    last: ({ actor, details }) => {
      assert.equal(actor, `stranger at ${FROM}`);
      assert.equal(details?.["reason_code"], "pairing_proof_failed");
    },
  },
  {
    name: "the last try fails",
    kinds: ["pairing_code.tried", "pairing_code.locked", "pairing.failed"],
    prepare: async ({ pairing }) => {
      const { secretText } = await pairing.mint({ method: "pin" });
      // deno-lint-ignore no-await-in-loop -- one try after the other
      for (let tried = 0; tried < 4; tried++) await pairing.failTry(secretText);
      return () => pairing.failTry(secretText);
    },
  },
  {
    name: "a device asks to be let in",
    kinds: ["pairing_code.tried", "pairing.requested"],
    prepare: async ({ pairing }) => {
      const { secretText } = await pairing.mint();
      return () => pairing.pair(secretText);
    },
    last: ({ actor, details }) => {
      assert.equal(actor, `device ${details?.["device_id"]}`);
      assert.deepEqual([details?.["device_name"], details?.["remote_address"]], ["laptop", FROM]);
    },
  },
  {
    name: "a device is approved in advance",
    kinds: [
      "pairing_code.tried",
      "pairing.requested",
      "pairing.approved",
      "certificate.issued",
      "pairing.handed_over",
    ],
    prepare: async ({ pairing }) => {
      const { secretText } = await pairing.mint({ approve: true });
      return () => pairing.pair(secretText);
    },
    last: ({ actor, details }) => assert.equal(actor, `device ${details?.["device_id"]}`),
  },
  {
    name: "a device is approved",
    kinds: ["pairing.approved"],
    prepare: async ({ pairing }) => {
      const { request } = await pairing.pair((await pairing.mint()).secretText);
      return () => pairing.desk.decide(request.requestId, APPROVE);
    },
    last: ({ actor, details }) => {
      assert.equal(actor, "operator");
      assert.deepEqual([details?.["granted_capabilities"], details?.["replaced_key"]], [["echo"], false]);
    },
  },
  {
    name: "a device is rejected",
    kinds: ["pairing.rejected"],
    prepare: async ({ pairing }) => {
      const { request } = await pairing.pair((await pairing.mint()).secretText);
      return () => pairing.desk.decide(request.requestId, { ...APPROVE, approve: false, reason: "unknown" });
    },
    last: ({ actor, details }) => assert.deepEqual([actor, details?.["reason"]], ["operator", "unknown"]),
  },
  {
    name: "a device is replaced by one with another key",
    kinds: ["pairing.approved", "certificate.revoked", "pairing.rejected"],
    prepare: async ({ pairing }) => {
      const { secretText } = await pairing.mint({ approve: true });
      const { deviceId } = (await pairing.pair(secretText)).request;
      const other = DeviceIdentity.generate(deviceId);
      await pairing.pair((await pairing.mint()).secretText, other);
      const { request } = await pairing.pair((await pairing.mint()).secretText, other);
      return () => pairing.desk.decide(request.requestId, { ...APPROVE, replace: true });
    },
  },
  {
    name: "an approved device that was revoked meanwhile asks for its certificate",
    kinds: ["pairing.rejected"],
    prepare: async ({ pairing, administration }) => {
      const { request } = await pairing.pair((await pairing.mint()).secretText);
      await pairing.desk.decide(request.requestId, APPROVE);
      await administration.revoke(request.deviceId, "stolen", "owner");
      return () => pairing.desk.status(request.requestId);
    },
    last: ({ actor }) => assert.equal(actor, "palyrad"),
  },
  {
    name: "a certificate is renewed",
    kinds: ["certificate.renewed"],
    prepare: async (bench) => {
      const device = await bench.pairedNode("laptop");
      const csrDer = await csrOf(device.deviceId);
      return () => bench.issuer.rotate(device, csrDer);
    },
    last: ({ actor, details }) => assert.equal(actor, `device ${details?.["device_id"]}`),
  },
  {
    name: "a device is revoked, twice",
    kinds: ["certificate.revoked", "certificate.revoked", "device.revoked"],
    prepare: async (bench) => {
      const device = await bench.pairedNode("laptop");
      await bench.issuer.rotate(device, await csrOf(device.deviceId));
      return async () => {
        await bench.administration.revoke(device.deviceId, "stolen", "owner");
        await bench.administration.revoke(device.deviceId, "again", "owner");
      };
    },
    last: ({ actor, details }) => {
      assert.equal(actor, "owner");
      assert.deepEqual(details, { device_name: "laptop", reason: "stolen" });
    },
  },
  {
    name: "a device is removed",
    kinds: ["certificate.revoked", "device.revoked", "device.removed"],
    prepare: async (bench) => {
      const { deviceId } = await bench.pairedNode("laptop");
      return () => bench.administration.remove(deviceId, "sold", "owner");
    },
    last: ({ actor, details }) => assert.deepEqual([actor, details?.["reason"]], ["owner", "sold"]),
  },
  {
    name: "a device leaves",
    kinds: ["device.removed"],
    prepare: async (bench) => {
      const { deviceId } = await bench.pairedNode("laptop");
      return () => bench.administration.unpair(deviceId);
    },
    last: ({ actor, subject }) => assert.equal(actor, `device ${subject}`),
  },
  {
    name: "the owner of the state folder becomes an operator, and its certificate is renewed twice",
    kinds: [
      "operator.admitted",
      "certificate.issued",
      "certificate.issued",
      "certificate.issued",
      "certificate.revoked",
    ],
    prepare: ({ pairing, issuer }) => {
      const { store, secrets, devices, identity, clock } = pairing;
      return Promise.resolve(async () => {
        for (let renewal = 0; renewal < 3; renewal++) {
          // deno-lint-ignore no-await-in-loop -- one after the other
          await renewOperatorCredentials({ store, secrets, devices, identity, issuer, clock });
          // deno-lint-ignore no-await-in-loop -- a reason to renew while all of them are valid
          await secrets.write("operator-key.pem", new TextEncoder().encode("lost"));
        }
      });
    },
    last: ({ actor }) => assert.equal(actor, "palyrad"),
  },
  {
    name: "a daemon starts and stops",
    kinds: ["daemon.started", "daemon.stopped"],
    prepare: ({ pairing }) =>
      Promise.resolve(async () => {
        await recordDaemonStart(pairing.store, pairing.now);
        await recordDaemonStop(pairing.store, pairing.now);
      }),
  },
  {
    name: "a request ends",
    kinds: ["request.ended"],
    prepare: async (bench) => {
      const device = await bench.pairedNode("laptop");
      const { store } = bench.pairing;
      const ended = aRequest(device, {
        state: "failed",
        attempt: 2,
        completedAt: bench.pairing.now,
        outputJson: new TextEncoder().encode("{}"),
        errorCode: "execution_failed",
        error: "private words of the node",
      });
      return () => store.transaction((tx) => auditRequestEnd(tx, ended));
    },
    last: ({ actor, details }) => {
      assert.equal(actor, "operator");
      const { device_id: _, ...rest } = details ?? {};
      assert.deepEqual(rest, {
        capability: "echo",
        state: "failed",
        attempt: 2,
        error_code: "execution_failed",
        input_sha256: "015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862",
        output_sha256: "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
      });
    },
  },
  {
    name: "records are archived",
    kinds: ["audit.archived"],
    prepare: async ({ pairing }) => {
      const { store, clock } = pairing;
      await pairing.mint();
      const [first] = await read(store);
      assert.ok(first);
      const log = new AuditLog({ store, anchor: { noteArchived: () => Promise.resolve() }, clock });
      return () => log.forget(first, "owner").finally(() => log.close());
    },
    last: ({ actor }) => assert.equal(actor, "owner"),
  },
];

for (const { name, kinds, prepare, last } of ACTS) {
  Deno.test(`The audit has ${kinds.join(", ")} when ${name}`, async () => {
    await using bench = await DaemonBench.open();
    const { store } = bench.pairing;
    const act = await prepare(bench);
    const newest = (await store.transaction((tx) => tx.audit.head())).sequence;
    await act();
    const records = (await read(store, newest)).map(said);
    assert.deepEqual(kindsOf(records), kinds);
    const final = records.at(-1);
    assert.ok(final !== undefined);
    last?.(final, bench);
  });

  Deno.test(`Nothing has happened when the audit cannot be written: ${name}`, async () => {
    await using bench = await DaemonBench.open();
    const act = await prepare(bench);
    const path = join(bench.pairing.folder, "palyrad.sqlite");
    {
      using db = new DatabaseSync(path);
      db.exec("CREATE TRIGGER no_audit BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no room'); END");
    }
    const before = contents(path);
    await assert.rejects(act());
    assert.deepEqual(contents(path), before);
  });
}

/** Every row that acts could write, but the table of the events, which is checked by their sequence. */
function contents(path: string): unknown[] {
  using db = new DatabaseSync(path);
  const tables = [
    "devices",
    "certificates",
    "pairing_codes",
    "pairing_tries",
    "pairing_requests",
    "device_event_logs",
    "audit",
  ];
  return tables.map((table) => db.prepare(`SELECT * FROM ${table}`).all());
}

Deno.test("The audit has the making of the CA", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const config = await readDaemonConfig({ stateRoot: folder, environment: { get: () => undefined } });
    for (const _ of ["first start", "second start"]) {
      // deno-lint-ignore no-await-in-loop -- one after the other
      const state = await DaemonState.open(config);
      const fingerprint = state.identity.ca.fingerprint;
      // deno-lint-ignore no-await-in-loop -- one after the other
      const records = (await read(state.store)).map(said);
      // deno-lint-ignore no-await-in-loop -- one after the other
      await state.close();
      assert.deepEqual(records, [{ kind: "ca.created", actor: "palyrad", subject: fingerprint, details: {} }]);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("Every kind of record is made by one of these acts, or tested with what makes it", () => {
  const elsewhere: AuditKind[] = [
    "ca.created",
    "ca.retired",
    "ca.rotation_aborted",
    "ca.rotation_begun",
    "ca.rotation_completed",
    "audit.damaged",
    "capabilities.decided",
    "certificate.recovered",
    "device.recovery_alarm",
    "device.recovery_alarm_acknowledged",
    "device.recovery_set",
    "device.rotation_asked",
    "secrets.rekeyed",
    "secrets.sealed",
    "secrets.unsealed",
    // GenerationKeeper's test.
    "state.restored",
  ];
  const made = new Set([...ACTS.flatMap(({ kinds }) => kinds), ...elsewhere]);
  assert.deepEqual([...made].sort(), AUDIT_KINDS);
});

Deno.test("The audit has no secret in it: no code, no key, no certificate, no input", async () => {
  await using bench = await DaemonBench.open();
  const { pairing } = bench;
  const pin = await pairing.mint({ method: "pin" });
  await pairing.failTry(pin.secretText);
  const qr = await pairing.mint({ approve: true });
  const { certificate } = await pairing.pair(qr.secretText);
  await pairing.pair(pin.secretText);
  const device = await bench.pairedNode("laptop");
  await pairing.store.transaction((tx) => auditRequestEnd(tx, aRequest(device, { state: "cancelled" })));
  const text = JSON.stringify(await read(pairing.store));
  const { secret } = parseQrToken(qr.secretText);
  const keys = [qr.code.key, pin.code.key].map((key) => key ?? assert.fail());
  for (const bytes of [secret, ...keys]) {
    assert.ok(!text.includes(bytes.toHex()) && !text.includes(bytes.toBase64({ alphabet: "base64url" }).slice(0, 20)));
    assert.ok(!text.includes(bytes.toBase64().slice(0, 20)));
  }
  // Six digits may well stand within a longer number.
  assert.doesNotMatch(text, new RegExp(`(?<![0-9A-Za-z])${pin.secretText}(?![0-9A-Za-z])`));
  assert.ok(!text.includes(qr.secretText) && !text.includes("-----BEGIN") && !text.includes('{\\"a\\":1}'));
  assert.ok(certificate !== undefined && text.includes(certificate.fingerprint));
});
