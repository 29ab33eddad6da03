import assert from "node:assert/strict";
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
  const certificate = await ServerCertificate.issue(bench.identity, [], (material) => {
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
