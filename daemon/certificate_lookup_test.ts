import assert from "node:assert/strict";
import { findCertificate } from "./certificate_lookup.ts";
import { DaemonBench } from "./testing/daemon_bench.ts";
import { isError } from "./testing/pairing_bench.ts";

Deno.test("findCertificate() takes a fingerprint or its beginning as people write it, and nothing that is too short or means several", async () => {
  await using bench = await DaemonBench.open();
  const { devices } = bench.pairing;
  const { deviceId } = await bench.pairedNode("laptop");
  const issued = { deviceId, issuedAt: bench.pairing.clock(), expiresAt: bench.pairing.clock(), pem: "" };
  const made = (digits: string) => ({ ...issued, fingerprint: digits.padEnd(64, "0"), caFingerprint: "0".repeat(64) });
  const [one, two] = [made("abcdef0123456789"), made("abcdef0123456700")];
  for (const each of [one, two]) devices.putCertificate(each as Parameters<typeof devices.putCertificate>[0]);
  assert.equal(findCertificate(devices, one.fingerprint).fingerprint, one.fingerprint);
  assert.equal(findCertificate(devices, " AB:CD:EF:01 23:45:67:89").fingerprint, one.fingerprint);
  assert.throws(() => findCertificate(devices, "abcdef01"), isError("invalid_argument", /Several/));
  for (const text of ["abcdef0", "", "g".repeat(64), "a".repeat(65)]) {
    assert.throws(() => findCertificate(devices, text), isError("invalid_argument", /8 hex digits/));
  }
  assert.throws(() => findCertificate(devices, "00000000"), isError("certificate_not_found"));
});
