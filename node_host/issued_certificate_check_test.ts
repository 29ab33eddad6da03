import assert from "node:assert/strict";
import { CertificateAuthority } from "../identity/certificate_authority.ts";
import { newDeviceId } from "../identity/device_id.ts";
import { fingerprintOf } from "../identity/fingerprint.ts";
import type { PalyraError } from "../identity/palyra_error.ts";
import type { ReasonCode } from "../identity/reason_code.ts";
import { TlsKey } from "../identity/tls_key.ts";
import { systemClock, unixMs } from "../identity/unix_ms.ts";
import { checkIssuedCertificate, type IssuedToThisDevice } from "./issued_certificate_check.ts";

const HOUR_MS = 3_600_000;

Deno.test("checkIssuedCertificate() takes the certificate that was asked for and nothing else", async () => {
  const ca = await CertificateAuthority.create({ clock: systemClock });
  const stranger = await CertificateAuthority.create({ clock: systemClock });
  const deviceId = newDeviceId();
  const tlsKey = await TlsKey.generate();
  const order = {
    deviceId,
    clientKind: "node" as const,
    trustDomain: "palyra.test",
    publicKey: tlsKey.publicKey,
    validityMs: HOUR_MS,
  };
  const [own, foreign, operator] = await Promise.all([
    ca.issueClientCertificate(order),
    stranger.issueClientCertificate(order),
    ca.issueClientCertificate({ ...order, clientKind: "cli" }),
  ]);
  const server = await ca.issueServerCertificate({ names: [], addresses: [], validityMs: HOUR_MS });
  const good: IssuedToThisDevice = {
    certificatePem: own.certificatePem,
    caPem: ca.certificatePem,
    caFingerprint: ca.fingerprint,
    deviceId,
    tlsKey,
    now: systemClock(),
    occasion: "pairing",
  };
  await checkIssuedCertificate(good);
  // While the daemon changes its CA there are several: the proven one is among them, and any of them may have issued it.
  const several = ca.certificatePem + stranger.certificatePem;
  await checkIssuedCertificate({ ...good, caPem: stranger.certificatePem + ca.certificatePem });
  await checkIssuedCertificate({ ...good, caPem: several, certificatePem: foreign.certificatePem });
  await checkIssuedCertificate({ ...good, caPem: several, caFingerprint: undefined, occasion: "renewal" });

  const bad: [string, Partial<IssuedToThisDevice>, ReasonCode][] = [
    ["of another CA", { certificatePem: foreign.certificatePem }, "daemon_untrusted"],
    ["with another CA", { caPem: stranger.certificatePem }, "daemon_untrusted"],
    ["with a CA that was not proven", { caFingerprint: fingerprintOf(new Uint8Array(1)) }, "daemon_untrusted"],
    ["of a CA that is trusted no more", {
      caPem: stranger.certificatePem,
      caFingerprint: undefined,
    }, "daemon_untrusted"],
    ["of another kind", { certificatePem: operator.certificatePem }, "daemon_untrusted"],
    ["of a server", { certificatePem: server.certificatePem }, "daemon_untrusted"],
    ["for another device", { deviceId: newDeviceId() }, "daemon_untrusted"],
    ["for another key", { tlsKey: await TlsKey.generate() }, "daemon_untrusted"],
    ["that is none", { certificatePem: "" }, "daemon_untrusted"],
    ["without a CA", { caPem: "" }, "daemon_untrusted"],
    ["from the future", { now: unixMs(Date.now() - HOUR_MS) }, "clock_off"],
    ["from the past", { now: unixMs(Date.now() + 2 * HOUR_MS) }, "clock_off"],
  ];
  for (const [what, changes, code] of bad) {
    // deno-lint-ignore no-await-in-loop -- one certificate after the other
    await assert.rejects(checkIssuedCertificate({ ...good, ...changes }), (error: PalyraError) => {
      assert.equal(error.code, code, what);
      return true;
    });
    // deno-lint-ignore no-await-in-loop -- one certificate after the other
    await assert.rejects(checkIssuedCertificate({ ...good, ...changes, occasion: "renewal" }), (error: PalyraError) => {
      assert.equal(error.code, code, what);
      assert.match(error.message, code === "clock_off" ? /tried again/ : /the one in use stays/);
      return true;
    });
  }
});
