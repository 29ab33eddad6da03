import assert from "node:assert/strict";
import { CertificateAuthority } from "../identity/certificate_authority.ts";
import { derToPem } from "../identity/pem.ts";
import { PalyraError } from "../identity/palyra_error.ts";
import { systemClock } from "../identity/unix_ms.ts";
import { authoritiesOf, checkTrustBundle } from "./trust_bundle.ts";

Deno.test("checkTrustBundle() takes CAs of which one is trusted, and nothing that lies beside them", async () => {
  const [old, next] = await Promise.all([create(), create()]);
  const bundle = next.certificatePem + old.certificatePem;
  assert.equal(await checkTrustBundle(`Said by the daemon:\n${bundle}and more`, old.certificatePem), bundle);
  assert.deepEqual(authoritiesOf(bundle), [next.fingerprint, old.fingerprint]);
  assert.equal(await checkTrustBundle(next.certificatePem, bundle), next.certificatePem);
});

Deno.test("checkTrustBundle() refuses what is no CA, what is too many, and what would lock this machine out", async () => {
  const [old, next] = await Promise.all([create(), create()]);
  const leaf = await old.issueServerCertificate({ names: [], addresses: [], validityMs: 3_600_000 });
  const link = derToPem(await old.certifySuccessor(next), "CERTIFICATE");
  const bad: Readonly<Record<string, string>> = {
    "nothing": "",
    "no PEM": "trust me",
    "another daemon's CA": next.certificatePem,
    "a leaf beside it": old.certificatePem + leaf.certificatePem,
    "a link, which is not a CA's own certificate": old.certificatePem + link,
    "nine": old.certificatePem.repeat(9),
  };
  for (const [what, pem] of Object.entries(bad)) {
    // deno-lint-ignore no-await-in-loop -- a table
    await assert.rejects(checkTrustBundle(pem, old.certificatePem), (error) => {
      assert.ok(error instanceof PalyraError, what);
      assert.equal(error.code, "daemon_untrusted", what);
      assert.match(error.message, /Those that are trusted stay/);
      return true;
    });
  }
});

function create(): Promise<CertificateAuthority> {
  return CertificateAuthority.create({ clock: systemClock });
}
