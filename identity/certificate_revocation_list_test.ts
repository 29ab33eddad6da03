import assert from "node:assert/strict";
import { join } from "node:path";
import { CertificateAuthority } from "./certificate_authority.ts";
import { REVOCATION_LIST_VALIDITY_MS } from "./certificate_revocation_list.ts";
import { derToPem } from "./pem.ts";
import { systemClock, unixMs } from "./unix_ms.ts";

async function openssl(...args: readonly string[]): Promise<string> {
  const { stdout, stderr } = await new Deno.Command("openssl", { args: [...args] }).output();
  return new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
}

Deno.test("CertificateAuthority.issueRevocationList() makes a list that OpenSSL verifies and reads as it was meant", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const ca = await CertificateAuthority.create({ clock: systemClock });
    const namesake = await CertificateAuthority.create({ clock: systemClock });
    const now = systemClock();
    // The first digit would make it negative, were it not padded.
    const serials = ["8f00000000000000000000000000aa01", "0100000000000000000000000000aa02"] as const;
    const der = await ca.issueRevocationList([
      { serialHex: serials[0], revokedAt: now, reason: "superseded" },
      { serialHex: serials[1], revokedAt: unixMs(now - 60_000), reason: "privilege_withdrawn" },
    ]);
    const file = (name: string) => join(folder, name);
    await Deno.writeTextFile(file("list.pem"), derToPem(der, "X509 CRL"));
    await Deno.writeTextFile(file("ca.pem"), ca.certificatePem);
    await Deno.writeTextFile(file("namesake.pem"), namesake.certificatePem);
    const text = await openssl("crl", "-in", file("list.pem"), "-CAfile", file("ca.pem"), "-noout", "-text");
    assert.match(text, /verify OK/);
    assert.match(text, /Version 2/);
    for (const serial of serials) assert.ok(text.includes(serial.toUpperCase()), text);
    assert.match(text, /Superseded[\s\S]*Privilege Withdrawn/);
    assert.match(text, /X509v3 CRL Number/);
    assert.match(text, /X509v3 Authority Key Identifier/);
    const wrong = await openssl("crl", "-in", file("list.pem"), "-CAfile", file("namesake.pem"), "-noout");
    assert.match(wrong, /verify failure|Error/);
    const dates = await openssl("crl", "-in", file("list.pem"), "-noout", "-lastupdate", "-nextupdate");
    const [from = NaN, to = NaN] = [...dates.matchAll(/Update=(.*)/g)].map(([, date]) => Date.parse(date ?? ""));
    assert.equal(to - from, REVOCATION_LIST_VALIDITY_MS);

    await Deno.writeFile(file("empty.der"), await ca.issueRevocationList([]));
    const empty = await openssl(
      "crl",
      "-inform",
      "DER",
      "-in",
      file("empty.der"),
      "-CAfile",
      file("ca.pem"),
      "-noout",
      "-text",
    );
    assert.match(empty, /verify OK/);
    assert.match(empty, /No Revoked Certificates/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
