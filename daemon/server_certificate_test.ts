import assert from "node:assert/strict";
import { CertificateAuthority } from "../identity/certificate_authority.ts";
import { derToPem } from "../identity/pem.ts";
import { unixMs } from "../identity/unix_ms.ts";
import type { ServerTlsMaterial } from "../transport/server_tls_material.ts";
import { SERVER_CERTIFICATE_VALIDITY_MS, ServerCertificate } from "./server_certificate.ts";
import { PairingBench } from "./testing/pairing_bench.ts";

/** Resolves when the clock has been asked that many times. */
function countedClock(bench: PairingBench) {
  let waiting: { left: number; resolve: () => void } | undefined;
  return {
    clock: () => {
      if (waiting !== undefined && --waiting.left === 0) waiting.resolve();
      return bench.now;
    },
    asked: (times: number) => new Promise<void>((resolve) => waiting = { left: times, resolve }),
  };
}

Deno.test("ServerCertificate renews when a third of its life is left, by the clock, and not before", async () => {
  await using bench = await PairingBench.open();
  const { clock, asked } = countedClock(bench);
  const renewed = Promise.withResolvers<ServerTlsMaterial>();
  let renewals = 0;
  const certificate = await ServerCertificate.issue(bench.identity, [], ({ material }) => {
    renewals += 1;
    renewed.resolve(material);
  }, { clock, checkEveryMs: 1 });
  const first = certificate.current;
  bench.now = unixMs(bench.now + SERVER_CERTIFICATE_VALIDITY_MS * 2 / 3 - 60_000);
  await asked(5);
  assert.equal(renewals, 0);
  // As after a long sleep of the machine.
  bench.now = unixMs(bench.now + 120_000);
  const material = await renewed.promise;
  assert.notEqual(certificate.current.fingerprint, first.fingerprint);
  assert.ok(material.certificatePem.startsWith(certificate.current.certificatePem));
  await asked(5);
  assert.equal(renewals, 1);
  await certificate.stop();
});

Deno.test("ServerCertificate tries again when its listeners could not take the new one", async () => {
  await using bench = await PairingBench.open();
  const taken = Promise.withResolvers<void>();
  let offered = 0;
  const certificate = await ServerCertificate.issue(bench.identity, [], () => {
    offered += 1;
    if (offered === 1) throw new Error("not now");
    taken.resolve();
  }, { clock: bench.clock, checkEveryMs: 1 });
  bench.now = unixMs(bench.now + SERVER_CERTIFICATE_VALIDITY_MS);
  await taken.promise;
  assert.ok(certificate.current.expiresAt > bench.now);
  await certificate.stop();
});

Deno.test("ServerCertificate.follow() has the listeners know the CA that was introduced, and is issued anew by the one that issues", async () => {
  await using bench = await PairingBench.open();
  const { identity } = bench;
  const taken: [server: ServerTlsMaterial, enrolment: ServerTlsMaterial][] = [];
  const certificate = await ServerCertificate.issue(identity, [], ({ material, enrolmentMaterial }) => {
    taken.push([material, enrolmentMaterial]);
  }, { clock: bench.clock });
  const [old, next] = [identity.ca, await CertificateAuthority.create({ clock: bench.clock })];
  const first = certificate.current;
  await certificate.follow();
  assert.equal(taken.length, 0, "nothing has changed");

  identity.replaceAuthorities(identity.authorities.introducing(next));
  await certificate.follow();
  assert.equal(certificate.current, first);
  assert.deepEqual(taken.at(-1)?.map(({ clientCaPem }) => clientCaPem), [
    [old.certificatePem, next.certificatePem],
    [old.certificatePem, next.certificatePem],
  ]);

  identity.replaceAuthorities(await identity.authorities.completed());
  await Promise.all([certificate.follow(), certificate.follow()]);
  assert.equal(taken.length, 2, "once is enough");
  assert.equal(certificate.current.caFingerprint, next.fingerprint);
  const link = derToPem(identity.succession[0] ?? new Uint8Array(), "CERTIFICATE");
  const leaf = certificate.current.certificatePem;
  assert.deepEqual(taken.at(-1)?.map(({ certificatePem }) => certificatePem), [
    // Whoever trusts the old CA alone finds the link; who pairs reads the CA.
    leaf + link + next.certificatePem,
    leaf + next.certificatePem,
  ]);
  assert.deepEqual(certificate.material.clientCaPem, [next.certificatePem, old.certificatePem]);

  identity.replaceAuthorities(identity.authorities.without(identity.authorities.retiring));
  await certificate.follow();
  assert.equal(certificate.current.certificatePem, leaf);
  assert.deepEqual(certificate.material.clientCaPem, [next.certificatePem]);
  assert.equal(certificate.material.certificatePem, leaf + next.certificatePem);
  await certificate.stop();
});
