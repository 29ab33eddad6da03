import assert from "node:assert/strict";
import { join } from "node:path";
import { CertificateAuthority } from "../identity/certificate_authority.ts";
import { newUlid } from "../identity/device_id.ts";
import type { DeviceIdentity } from "../identity/device_identity.ts";
import type { PalyraError } from "../identity/palyra_error.ts";
import type { ReasonCode } from "../identity/reason_code.ts";
import { TlsKey } from "../identity/tls_key.ts";
import { systemClock, unixMs } from "../identity/unix_ms.ts";
import { statusPath } from "./connection_status.ts";
import { AttemptJournal, JOURNAL_FILE } from "./journal/mod.ts";
import { type CompletedPairing, NodeHostState } from "./node_host_state.ts";
import { SECRET_NAMES, SECRETS_FOLDER } from "./node_secrets.ts";
import { TestFolder } from "./testing/test_folder.ts";

const AT = unixMs(1_790_000_000_000);

const withCode = (code: ReasonCode) => (thrown: unknown) => {
  assert.equal((thrown as PalyraError).code, code, String(thrown));
  return true;
};

async function pairingOf(identity: DeviceIdentity): Promise<CompletedPairing> {
  const ca = await CertificateAuthority.create({ clock: systemClock });
  const tlsKey = await TlsKey.generate();
  const issued = await ca.issueClientCertificate({
    deviceId: identity.deviceId,
    clientKind: "node",
    trustDomain: "palyra.test",
    publicKey: tlsKey.publicKey,
    validityMs: 3_600_000,
  });
  return {
    record: {
      deviceId: identity.deviceId,
      deviceName: "box",
      nodeEndpoints: ["daemon.example:7444", "[2001:db8::7]:7444"],
      enrolmentEndpoints: ["daemon.example:7445"],
      caFingerprint: ca.fingerprint,
      pairedAt: AT,
      installedAt: AT,
    },
    tlsKey,
    certificatePem: issued.certificatePem,
    trustedCaPem: ca.certificatePem,
  };
}

Deno.test("NodeHostState keeps a pairing over a restart, in files that only the owner can read", async () => {
  await using folder = await TestFolder.create();
  let pairing: CompletedPairing;
  {
    using state = await NodeHostState.open(folder.path);
    assert.equal(await state.isEmpty(), true);
    const identity = await state.ensureIdentity();
    pairing = await pairingOf(identity);
    await state.completePairing(pairing);
  }
  using state = await NodeHostState.open(folder.path);
  assert.deepEqual(await state.record(), pairing.record);
  const credentials = await state.credentials();
  assert.equal(credentials.certificatePem, pairing.certificatePem);
  assert.equal(credentials.tlsKeyPem, await pairing.tlsKey.toPem());
  assert.equal(credentials.identity.deviceId, (await state.ensureIdentity()).deviceId);
  assert.doesNotMatch(Deno.inspect(credentials, { depth: 9 }), /PRIVATE KEY/);
  assert.doesNotMatch(JSON.stringify(credentials), /PRIVATE KEY/);
  const names = [join(folder.path, "node-host.json")];
  for (const name of Object.values(SECRET_NAMES).slice(0, 4)) names.push(join(folder.path, SECRETS_FOLDER, name));
  const modes = await Promise.all(names.map(async (name) => ((await Deno.stat(name)).mode ?? 0) & 0o777));
  assert.deepEqual(modes, names.map(() => 0o600));
});

Deno.test("NodeHostState writes node-host.json under the names of the original", async () => {
  await using folder = await TestFolder.create();
  using state = await NodeHostState.open(folder.path);
  const { record } = await pairingOf(await state.ensureIdentity());
  await state.writeRecord({ ...record, pairedAt: undefined });
  const stored: unknown = JSON.parse(await Deno.readTextFile(join(folder.path, "node-host.json")));
  assert.deepEqual(stored, {
    schema_version: 1,
    device_id: record.deviceId,
    device_name: "box",
    node_endpoints: record.nodeEndpoints,
    enrolment_endpoints: record.enrolmentEndpoints,
    ca_fingerprint: record.caFingerprint,
    paired_at_unix_ms: null,
    installed_at_unix_ms: AT,
  });
  assert.equal((await state.record())?.pairedAt, undefined);
});

Deno.test("NodeHostState refuses a damaged or newer node-host.json and leaves it as it is", async () => {
  await using folder = await TestFolder.create();
  using state = await NodeHostState.open(folder.path);
  const pairing = await pairingOf(await state.ensureIdentity());
  await state.completePairing(pairing);
  const path = join(folder.path, "node-host.json");
  const good = JSON.parse(await Deno.readTextFile(path));
  const cases: [string, ReasonCode][] = [
    ["", "state_damaged"],
    ["{", "state_damaged"],
    ["null", "state_damaged"],
    [JSON.stringify({ ...good, device_id: "box" }), "state_damaged"],
    [JSON.stringify({ ...good, node_endpoints: [] }), "state_damaged"],
    [JSON.stringify({ ...good, node_endpoints: ["no port"] }), "state_damaged"],
    [JSON.stringify({ ...good, ca_fingerprint: "AB" }), "state_damaged"],
    [JSON.stringify({ ...good, paired_at_unix_ms: -1 }), "state_damaged"],
    [JSON.stringify({ ...good, schema_version: 2 }), "schema_too_new"],
    [" ".repeat(70_000), "state_damaged"],
  ];
  for (const [text, code] of cases) {
    // deno-lint-ignore no-await-in-loop -- one content after the other
    await Deno.writeTextFile(path, text);
    // deno-lint-ignore no-await-in-loop -- one content after the other
    await assert.rejects(state.record(), withCode(code));
    // deno-lint-ignore no-await-in-loop -- one content after the other
    await assert.rejects(state.credentials(), withCode(code));
    // deno-lint-ignore no-await-in-loop -- one content after the other
    assert.equal(await Deno.readTextFile(path), text);
  }
  assert.equal(await state.isEmpty(), false);
});

Deno.test("NodeHostState.credentials() refuses keys and certificates that do not belong together", async () => {
  await using folder = await TestFolder.create();
  using state = await NodeHostState.open(folder.path);
  const pairing = await pairingOf(await state.ensureIdentity());
  await assert.rejects(state.credentials(), withCode("not_paired"));
  await state.completePairing({ ...pairing, tlsKey: await TlsKey.generate() });
  await assert.rejects(state.credentials(), withCode("state_damaged"));
  await state.completePairing({ ...pairing, certificatePem: pairing.trustedCaPem });
  await assert.rejects(state.credentials(), withCode("state_damaged"));
  await state.completePairing({ ...pairing, certificatePem: "-" });
  await assert.rejects(state.credentials(), withCode("state_damaged"));
  await state.completePairing(pairing);
  await state.credentials();
  await Deno.remove(join(folder.path, SECRETS_FOLDER, SECRET_NAMES.trustedCa));
  await assert.rejects(state.credentials(), withCode("state_damaged"));
});

Deno.test("NodeHostState keeps a pending pairing with its key until the pairing is complete", async () => {
  await using folder = await TestFolder.create();
  const tlsKey = await TlsKey.generate();
  const sessionId = newUlid();
  {
    using state = await NodeHostState.open(folder.path);
    const { record } = await pairingOf(await state.ensureIdentity());
    await state.savePending({ ...record, sessionId, requestedAt: AT }, tlsKey);
  }
  using state = await NodeHostState.open(folder.path);
  const stored = await state.pending();
  assert.equal(stored?.pending.sessionId, sessionId);
  assert.equal(stored?.pending.requestedAt, AT);
  assert.deepEqual(stored?.tlsKey.publicKey, tlsKey.publicKey);
  await state.completePairing(await pairingOf(await state.ensureIdentity()));
  assert.equal(await state.pending(), undefined);
});

Deno.test("NodeHostState.completePairing() lets no daemon have what belongs to another one's requests", async () => {
  await using folder = await TestFolder.create();
  using state = await NodeHostState.open(folder.path);
  await state.completePairing(await pairingOf(await state.ensureIdentity()));
  const name = { requestId: newUlid(), attempt: 1 };
  const journal = await AttemptJournal.open(folder.path);
  await journal.start(name);
  await journal.close();
  await state.completePairing(await pairingOf(await state.ensureIdentity()));
  await using next = await AttemptJournal.open(folder.path);
  assert.deepEqual(next.load(), { interrupted: [], finished: [] });
  assert.notEqual(next.id, journal.id);
});

Deno.test("NodeHostState.erase() leaves no secret, also when what it removes is damaged", async () => {
  await using folder = await TestFolder.create();
  using state = await NodeHostState.open(folder.path);
  const pairing = await pairingOf(await state.ensureIdentity());
  await state.completePairing(pairing);
  await state.savePending({ ...pairing.record, sessionId: newUlid(), requestedAt: AT }, pairing.tlsKey);
  await Deno.writeTextFile(join(folder.path, "node-host.json"), "{");
  await Deno.writeTextFile(statusPath(folder.path), "{");
  const answers = join(folder.path, "remembered-answers.json");
  await Deno.writeTextFile(answers, "{");
  const journal = await AttemptJournal.open(folder.path);
  await journal.close();
  await state.erase();
  assert.ok(!(await folder.names()).includes(JOURNAL_FILE));
  await assert.rejects(Deno.stat(answers), Deno.errors.NotFound);
  await assert.rejects(Deno.stat(statusPath(folder.path)), Deno.errors.NotFound);
  assert.equal(await state.isEmpty(), true);
  assert.deepEqual(await Array.fromAsync(Deno.readDir(join(folder.path, SECRETS_FOLDER))), []);
  assert.notEqual((await state.ensureIdentity()).deviceId, pairing.record.deviceId);
});

Deno.test("NodeHostState.open() refuses a folder that is in use, until it is given back", async () => {
  await using folder = await TestFolder.create();
  {
    using _held = await NodeHostState.open(folder.path);
    await assert.rejects(NodeHostState.open(folder.path), withCode("state_in_use"));
  }
  using _again = await NodeHostState.open(folder.path);
});
