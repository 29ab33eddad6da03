import assert from "node:assert/strict";
import { join } from "node:path";
import { CertificateAuthority, DEFAULT_CERTIFICATE_VALIDITY_MS } from "./certificate_authority.ts";
import { parseCertificateFacts, verifyIssuedBy } from "./certificate_facts.ts";
import { createCertificateRequest } from "./certificate_request.ts";
import { newDeviceId } from "./device_id.ts";
import { DeviceIdentity } from "./device_identity.ts";
import {
  type BeginPairing,
  IdentityManager,
  MAX_PAIRING_SESSIONS,
  MAX_PAIRING_SESSIONS_PER_SOURCE,
  MAX_PAIRING_STARTS_PER_SOURCE,
  PAIRING_START_WINDOW_MS,
} from "./identity_manager.ts";
import { PairingAttempt } from "./pairing_attempt.ts";
import { mintPin, mintQrCode } from "./pairing_code.ts";
import { PAIRING_WINDOW_MS } from "./pairing_session.ts";
import { PalyraError } from "./palyra_error.ts";
import type { ReasonCode } from "./reason_code.ts";
import { SecretStore } from "./secret_store.ts";
import { CA_CERTIFICATE_SECRET, CA_KEY_SECRET } from "./stored_authority.ts";
import { TlsKey } from "./tls_key.ts";
import { type Clock, unixMs } from "./unix_ms.ts";

const NOW = unixMs(1_790_000_000_000);
const TRUST_DOMAIN = "palyra.local";

const failsWith = (code: ReasonCode, about = /./) => (error: unknown): boolean => {
  assert.ok(error instanceof PalyraError, String(error));
  assert.equal(error.code, code);
  assert.match(error.message, about);
  return true;
};

async function inStore(run: (secrets: SecretStore) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await run(await SecretStore.open(folder));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function withManager(clock: Clock, run: (manager: IdentityManager) => Promise<void> | void): Promise<void> {
  return inStore(async (secrets) =>
    await run(await IdentityManager.open({ secrets, clock, trustDomain: TRUST_DOMAIN }))
  );
}

function pinStart(manager: IdentityManager, address = "192.0.2.7"): BeginPairing {
  const { codeId, method, key } = mintPin();
  return {
    code: { codeId, method, key, clientKind: "node" },
    clientKind: "node",
    serverCertificateFingerprint: manager.ca.fingerprint,
    address,
  };
}

Deno.test("IdentityManager.open() makes a CA once and loads the same when opened again", async () => {
  await inStore(async (secrets) => {
    const options = { secrets, clock: () => NOW, trustDomain: TRUST_DOMAIN };
    const first = await IdentityManager.open(options);
    const again = await IdentityManager.open(options);
    assert.equal(again.ca.fingerprint, first.ca.fingerprint);
    assert.deepEqual(await secrets.list(), [CA_CERTIFICATE_SECRET, CA_KEY_SECRET]);
  });
});

Deno.test("IdentityManager.open() refuses and overwrites nothing when the stored CA is damaged", async () => {
  const clock = () => NOW;
  const other = await CertificateAuthority.create({ clock });
  const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
  const damages: [name: string, content: Uint8Array | undefined][] = [
    [CA_CERTIFICATE_SECRET, undefined],
    [CA_KEY_SECRET, undefined],
    [CA_CERTIFICATE_SECRET, new Uint8Array(0)],
    [CA_KEY_SECRET, bytes("no PEM")],
    [CA_CERTIFICATE_SECRET, bytes(other.certificatePem)],
    [CA_KEY_SECRET, bytes(await other.exportPrivateKeyPem())],
  ];
  await Promise.all(damages.map(([name, content]) =>
    inStore(async (secrets) => {
      await IdentityManager.open({ secrets, clock, trustDomain: TRUST_DOMAIN });
      if (content === undefined) await secrets.delete(name);
      else await secrets.write(name, content);
      const before = await Promise.all((await secrets.list()).map((each) => secrets.read(each)));
      await assert.rejects(
        IdentityManager.open({ secrets, clock, trustDomain: TRUST_DOMAIN }),
        failsWith("state_damaged", new RegExp(`${name}.*restore`, "s")),
      );
      const after = await Promise.all((await secrets.list()).map((each) => secrets.read(each)));
      assert.deepEqual(after, before);
    })
  ));
});

Deno.test("IdentityManager.open() refuses when the trust domain is none or the key is open to others", async () => {
  await inStore(async (secrets) => {
    const clock = () => NOW;
    await assert.rejects(
      IdentityManager.open({ secrets, clock, trustDomain: "Not One" }),
      failsWith("invalid_argument"),
    );
    assert.deepEqual(await secrets.list(), []);
    await IdentityManager.open({ secrets, clock, trustDomain: TRUST_DOMAIN });
    await Deno.chmod(join(secrets.folder, CA_KEY_SECRET), 0o644);
    await assert.rejects(
      IdentityManager.open({ secrets, clock, trustDomain: TRUST_DOMAIN }),
      failsWith("state_damaged", /chmod 600/),
    );
  });
});

Deno.test("IdentityManager pairs a device and issues it a certificate of its CA from begin to end", async () => {
  await withManager(() => NOW, async (manager) => {
    const server = await manager.issueServerCertificate({ names: [], addresses: [], validityMs: 3_600_000 });
    const minted = mintQrCode();
    const session = manager.beginPairing({
      code: { codeId: minted.codeId, method: "qr", key: minted.key, clientKind: "node" },
      clientKind: "node",
      serverCertificateFingerprint: server.fingerprint,
      address: "192.0.2.7",
    });
    const device = DeviceIdentity.generate(newDeviceId());
    const tlsKey = await TlsKey.generate();
    const attempt = await PairingAttempt.answer({
      device,
      csrDer: await createCertificateRequest({ deviceId: device.deviceId, tlsKey }),
      method: { kind: "qr", secret: minted.secret, codeId: minted.codeId },
      caFingerprint: manager.ca.fingerprint,
      serverCertificateFingerprint: server.fingerprint,
      clientKind: "node",
      platform: "linux-x86_64",
      deviceName: "box",
      requestedCapabilities: [],
    }, session.challenge());
    const verified = await manager.takeSession(attempt.completion.sessionId).verify(attempt.completion);
    attempt.verifyConfirmation(verified.gatewayConfirmation);
    const issued = await manager.issueClientCertificate({
      deviceId: verified.deviceId,
      clientKind: verified.clientKind,
      publicKey: verified.csr.publicKey,
      validityMs: DEFAULT_CERTIFICATE_VALIDITY_MS,
    });
    const facts = parseCertificateFacts(issued.certificateDer);
    assert.equal(facts.deviceId, device.deviceId);
    assert.equal(facts.trustDomain, TRUST_DOMAIN);
    assert.equal(await verifyIssuedBy(issued.certificateDer, manager.ca.certificateDer, NOW, "client"), undefined);
  });
});

Deno.test("IdentityManager.takeSession() gives a session once, and not when it expired or never was", async () => {
  let now = NOW;
  await withManager(() => now, (manager) => {
    const session = manager.beginPairing(pinStart(manager));
    assert.equal(manager.takeSession(session.sessionId), session);
    assert.throws(() => manager.takeSession(session.sessionId), failsWith("pairing_session_unknown"));
    assert.throws(() => manager.takeSession("nothing"), failsWith("pairing_session_unknown"));
    const late = manager.beginPairing(pinStart(manager));
    now = unixMs(now + PAIRING_WINDOW_MS);
    assert.throws(() => manager.takeSession(late.sessionId), failsWith("pairing_session_expired"));
    assert.throws(() => manager.takeSession(late.sessionId), failsWith("pairing_session_unknown"));
  });
});

Deno.test("IdentityManager.beginPairing() refuses beyond 256 sessions and allows again when they have expired", async () => {
  let now = NOW;
  await withManager(() => now, (manager) => {
    for (let at = 0; at < MAX_PAIRING_SESSIONS; at++) manager.beginPairing(pinStart(manager, `192.0.2.${at}`));
    assert.throws(() => manager.beginPairing(pinStart(manager)), failsWith("too_many_pairing_sessions"));
    now = unixMs(now + PAIRING_WINDOW_MS - 1);
    assert.equal(manager.openSessions, MAX_PAIRING_SESSIONS);
    now = unixMs(now + 1);
    manager.beginPairing(pinStart(manager));
    assert.equal(manager.openSessions, 1);
  });
});

Deno.test("IdentityManager.beginPairing() ends the oldest session of a source that has too many, and no other's", async () => {
  await withManager(() => NOW, (manager) => {
    const owners = manager.beginPairing(pinStart(manager, "192.0.2.7"));
    const strangers = Array.from(
      { length: MAX_PAIRING_SESSIONS_PER_SOURCE + 1 },
      // All in one /64, which is one source.
      (_, index) => manager.beginPairing(pinStart(manager, `2001:db8::${index.toString(16)}`)),
    );
    const [oldest, second] = strangers;
    assert.ok(oldest && second);
    assert.equal(manager.openSessions, MAX_PAIRING_SESSIONS_PER_SOURCE + 1);
    assert.throws(() => manager.takeSession(oldest.sessionId), failsWith("pairing_session_unknown"));
    assert.equal(manager.takeSession(second.sessionId), second);
    assert.equal(manager.takeSession(owners.sessionId), owners);
  });
});

Deno.test("IdentityManager.beginPairing() lets who holds a QR token in, however many sessions of PINs are open", async () => {
  await withManager(() => NOW, (manager) => {
    const { codeId, key } = mintQrCode();
    const byQr = { ...pinStart(manager), code: { codeId, method: "qr", key, clientKind: "node" } } as const;
    for (let at = 0; at < MAX_PAIRING_SESSIONS; at++) manager.beginPairing(pinStart(manager, `198.51.100.${at}`));
    const session = manager.beginPairing(byQr);
    assert.equal(manager.openSessions, MAX_PAIRING_SESSIONS);
    // Nor do sessions of PINs that are begun behind the same address end it.
    for (let at = 0; at < MAX_PAIRING_SESSIONS_PER_SOURCE - 1; at++) {
      manager.takeSession(manager.beginPairing({ ...byQr, address: "192.0.2.9" }).sessionId);
      manager.beginPairing(pinStart(manager));
    }
    manager.beginPairing(pinStart(manager));
    assert.equal(manager.takeSession(session.sessionId), session);
  });
});

Deno.test("IdentityManager.countStart() refuses a source that starts too often, and no other", async () => {
  let now = NOW;
  await withManager(() => now, (manager) => {
    for (let at = 0; at < MAX_PAIRING_STARTS_PER_SOURCE; at++) manager.countStart(`2001:db8::${at.toString(16)}`);
    assert.throws(() => manager.countStart("2001:db8::1:1"), failsWith("rate_limited"));
    manager.countStart("2001:db8:0:1::1");
    now = unixMs(now + PAIRING_START_WINDOW_MS);
    manager.countStart("2001:db8::1:1");
  });
});

Deno.test("IdentityManager.beginPairing() refuses when the code is for another client kind", async () => {
  await withManager(() => NOW, (manager) => {
    assert.throws(
      () => manager.beginPairing({ ...pinStart(manager), clientKind: "cli" }),
      failsWith("invalid_argument", /kind `node`/),
    );
    assert.equal(manager.openSessions, 0);
  });
});

Deno.test("IdentityManager.endSessionsOfCode() ends the sessions of that code and no other", async () => {
  await withManager(() => NOW, (manager) => {
    const start = pinStart(manager);
    const ended = [manager.beginPairing(start), manager.beginPairing(start)];
    const kept = manager.beginPairing(pinStart(manager));
    assert.equal(manager.endSessionsOfCode(start.code.codeId), 2);
    for (const session of ended) {
      assert.throws(() => manager.takeSession(session.sessionId), failsWith("pairing_session_unknown"));
    }
    assert.equal(manager.takeSession(kept.sessionId), kept);
  });
});
