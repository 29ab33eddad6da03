import assert from "node:assert/strict";
import { parseCertificateFacts } from "../identity/certificate_facts.ts";
import { CertificateAuthority } from "../identity/certificate_authority.ts";
import { TlsKey } from "../identity/tls_key.ts";
import { unixMs } from "../identity/unix_ms.ts";
import type { CertificateRecord } from "./store/device_record.ts";
import {
  type OperatorCredentialsOptions,
  readOperatorCredentials,
  renewOperatorCredentials,
} from "./operator_credentials.ts";
import { CertificateIssuer } from "./certificate_issuer.ts";
import { HOUR_MS, isError, PairingBench } from "./testing/pairing_bench.ts";

const LIFE_MS = 24 * HOUR_MS;
const KEY = "operator-key.pem";
const CERTIFICATE = "operator-certificate.pem";

function optionsOf(bench: PairingBench): OperatorCredentialsOptions {
  const { store, secrets, identity, devices, clock } = bench;
  const issuer = new CertificateIssuer({ store, identity, devices, clock, certificateValidityMs: LIFE_MS });
  return { store, secrets, devices, identity, issuer, clock };
}

/** The certificate that an operator's command would use now. */
async function inUse(bench: PairingBench): Promise<CertificateRecord> {
  const { certificatePem } = await readOperatorCredentials(bench.secrets);
  const { fingerprint, deviceId } = parseCertificateFacts(certificatePem);
  const certificate = deviceId &&
    bench.devices.certificatesOf(deviceId).find((each) => each.fingerprint === fingerprint);
  assert.ok(certificate);
  return certificate;
}

Deno.test("renewOperatorCredentials() issues once and then again when a third of the life is left, by the clock", async () => {
  await using bench = await PairingBench.open();
  const renew = () => renewOperatorCredentials(optionsOf(bench));
  assert.equal(await renew(), true);
  const first = await inUse(bench);
  assert.equal(bench.refusalOf(first), undefined);
  assert.equal(await renew(), false, "a restart makes no further one");
  const begun = bench.now;
  bench.now = unixMs(begun + LIFE_MS * 2 / 3 - 60_000);
  assert.equal(await renew(), false);
  bench.now = unixMs(begun + LIFE_MS * 2 / 3 + 60_000);
  assert.equal(await renew(), true);
  const second = await inUse(bench);
  assert.equal(second.deviceId, first.deviceId);
  assert.equal(bench.refusalOf(first), undefined, "a command under way is not cut off");

  // The machine slept for a week.
  bench.now = unixMs(bench.now + 7 * LIFE_MS);
  assert.equal(bench.refusalOf(second), "certificate_expired");
  assert.equal(await renew(), true);
  assert.equal(bench.refusalOf(await inUse(bench)), undefined);
});

Deno.test("renewOperatorCredentials() revokes what is older than the one before", async () => {
  await using bench = await PairingBench.open();
  const certificates: CertificateRecord[] = [];
  for (let renewal = 0; renewal < 3; renewal++) {
    // deno-lint-ignore no-await-in-loop -- one after the other
    assert.equal(await renewOperatorCredentials(optionsOf(bench)), true);
    // deno-lint-ignore no-await-in-loop -- one after the other
    certificates.push(await inUse(bench));
    // A reason to renew while all of them are still valid.
    // deno-lint-ignore no-await-in-loop -- one after the other
    await bench.secrets.write(KEY, new TextEncoder().encode("lost"));
  }
  const [first, second, third] = certificates;
  assert.ok(first && second && third);
  assert.deepEqual([first, second, third].map((each) => bench.refusalOf(each)), [
    "certificate_revoked",
    undefined,
    undefined,
  ]);
  const stored = await bench.store.transaction((tx) => tx.devices.getCertificate(first.fingerprint));
  assert.equal(stored?.revokedReason, "renewed");
});

Deno.test("renewOperatorCredentials() issues anew when the stored one would be refused", async () => {
  const nextCa = await CertificateAuthority.create({ clock: () => unixMs(Date.now()) });
  const text = (content: string) => new TextEncoder().encode(content);
  const harms: ((bench: PairingBench) => Promise<unknown>)[] = [
    ({ secrets }) => secrets.delete(KEY),
    ({ secrets }) => secrets.delete(CERTIFICATE),
    ({ secrets }) => secrets.write(CERTIFICATE, text("no certificate")),
    async ({ secrets }) => await secrets.write(KEY, text(await (await TlsKey.generate()).toPem())),
    // It was issued by a CA that issues no more.
    async ({ identity }) => identity.replaceAuthorities(await identity.authorities.introducing(nextCa).completed()),
    async (bench) => {
      const { deviceId } = await inUse(bench);
      await bench.store.transaction((tx) => tx.devices.revokeCertificates(deviceId, bench.now, "copied"));
      bench.devices.revokeCertificates(deviceId, bench.now, "copied");
    },
    async (bench) => {
      const { deviceId } = await inUse(bench);
      await bench.store.transaction((tx) => tx.devices.remove(deviceId));
      bench.devices.removeDevice(deviceId);
    },
    // The clock was set back to before the certificate is valid.
    (bench) => Promise.resolve(bench.now = unixMs(bench.now - HOUR_MS)),
  ];
  await Promise.all(harms.map(async (harm) => {
    await using bench = await PairingBench.open();
    await renewOperatorCredentials(optionsOf(bench));
    await harm(bench);
    assert.equal(await renewOperatorCredentials(optionsOf(bench)), true, String(harm));
    assert.equal(bench.refusalOf(await inUse(bench)), undefined, String(harm));
  }));
});

Deno.test("renewOperatorCredentials() has the commands trust every CA that counts, and no other", async () => {
  await using bench = await PairingBench.open();
  const { identity } = bench;
  const trusted = async () => (await readOperatorCredentials(bench.secrets)).caPem;
  await renewOperatorCredentials(optionsOf(bench));
  const first = identity.ca.certificatePem;
  assert.equal(await trusted(), first);
  const next = await CertificateAuthority.create({ clock: bench.clock });
  identity.replaceAuthorities(identity.authorities.introducing(next));
  assert.equal(await renewOperatorCredentials(optionsOf(bench)), false, "the CA that issues is the same");
  assert.equal(await trusted(), first + next.certificatePem);
  identity.replaceAuthorities(await identity.authorities.completed());
  await renewOperatorCredentials(optionsOf(bench));
  assert.equal(await trusted(), next.certificatePem + first);
  identity.replaceAuthorities(identity.authorities.without(identity.authorities.retiring));
  await renewOperatorCredentials(optionsOf(bench));
  assert.equal(await trusted(), next.certificatePem);
});

Deno.test("readOperatorCredentials() reads again while key and certificate are being renewed", async () => {
  await using bench = await PairingBench.open();
  await renewOperatorCredentials(optionsOf(bench));
  const [key, certificate] = await Promise.all([bench.secrets.read(KEY), bench.secrets.read(CERTIFICATE)]);
  assert.ok(key && certificate);
  await bench.secrets.delete(CERTIFICATE);
  await renewOperatorCredentials(optionsOf(bench));
  const renewed = await bench.secrets.read(CERTIFICATE);
  assert.ok(renewed);
  // Between the two writes: the new key is there, the old certificate too.
  await bench.secrets.write(CERTIFICATE, certificate);
  let pauses = 0;
  const read = await readOperatorCredentials(bench.secrets, async () => {
    if (++pauses === 2) await bench.secrets.write(CERTIFICATE, renewed);
  });
  assert.equal(pauses, 2);
  assert.equal(read.certificatePem, new TextDecoder().decode(renewed));
});

Deno.test("readOperatorCredentials() gives up on a pair that does not match for good, and on none", async () => {
  await using bench = await PairingBench.open();
  const read = () => readOperatorCredentials(bench.secrets, () => Promise.resolve());
  await assert.rejects(read(), isError("state_not_initialised", /palyrad run/));
  await renewOperatorCredentials(optionsOf(bench));
  await bench.secrets.write(KEY, new TextEncoder().encode(await (await TlsKey.generate()).toPem()));
  await assert.rejects(read(), isError("state_damaged", /do not belong together.*palyrad run/));
});
