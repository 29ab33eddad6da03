import "reflect-metadata";
import assert from "node:assert/strict";
import * as x509 from "@peculiar/x509";
import fc from "fast-check";
import { followSuccession, MAX_SUCCESSION_LINKS } from "./ca_succession.ts";
import { CertificateAuthority } from "./certificate_authority.ts";
import { CA_COMMON_NAME } from "./certificate_names.ts";
import { pemToDer } from "./pem.ts";
import { TlsKey } from "./tls_key.ts";
import { type Clock, unixMs } from "./unix_ms.ts";

const clock: Clock = () => unixMs(1_790_000_000_000);
const SIGNING = { name: "ECDSA", hash: "SHA-256" } as const;

/** CAs that followed each other, and the links between them. */
async function succession(count: number) {
  const authorities = await Promise.all(Array.from({ length: count }, () => CertificateAuthority.create({ clock })));
  const links = await Promise.all(
    authorities.slice(1).map((next, index) => (authorities[index] ?? next).certifySuccessor(next)),
  );
  return { authorities, certificates: authorities.map((each) => each.certificateDer), links };
}

/** The element that is known to be there. */
function at<T>(list: readonly T[], index: number): T {
  const found = list.at(index);
  assert.ok(found !== undefined);
  return found;
}

async function keysOf(authority: CertificateAuthority): Promise<CryptoKeyPair> {
  return (await TlsKey.fromPem(await authority.exportPrivateKeyPem())).keys;
}

/** A link with something wrong with it. */
async function forgedLink(parts: {
  readonly signer: CertificateAuthority;
  readonly successor: CertificateAuthority;
  readonly issuer?: string;
  readonly subject?: string;
  readonly extensions?: readonly x509.Extension[];
}): Promise<Uint8Array> {
  const [{ privateKey }, { publicKey }] = await Promise.all([keysOf(parts.signer), keysOf(parts.successor)]);
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: "01",
    issuer: parts.issuer ?? `CN=${CA_COMMON_NAME}`,
    subject: parts.subject ?? `CN=${CA_COMMON_NAME}`,
    publicKey,
    signingKey: privateKey,
    signingAlgorithm: SIGNING,
    notBefore: new Date(clock() - 1_000),
    notAfter: new Date(clock() + 1_000_000),
    extensions: [...(parts.extensions ?? AUTHORITY)],
  });
  return new Uint8Array(certificate.rawData);
}

const SIGNS = x509.KeyUsageFlags.keyCertSign;
const AUTHORITY = [new x509.BasicConstraintsExtension(true, 0, true), new x509.KeyUsagesExtension(SIGNS, true)];

Deno.test("followSuccession() leads from each CA there was to the newest", async () => {
  const { certificates, links } = await succession(4);
  const newest = at(certificates, -1);
  for (const [index, trusted] of certificates.entries()) {
    const expected = index === 3 ? [trusted] : [trusted, newest];
    // deno-lint-ignore no-await-in-loop -- a table
    assert.deepEqual(await followSuccession([trusted], links, newest), expected, `from CA ${index}`);
  }
  const [oldest, older] = certificates;
  assert.ok(oldest && older);
  assert.deepEqual(await followSuccession([older, oldest], links, newest), [older, oldest, newest]);
});

Deno.test("followSuccession() needs no link when the server's CA is trusted already, and trusts no other without one", async () => {
  const { certificates: [one, other] } = await succession(2);
  assert.ok(one && other);
  assert.deepEqual(await followSuccession([other, one], [], one), [other, one]);
  assert.equal(await followSuccession([one], [], other), undefined);
  assert.equal(await followSuccession([], [], other), undefined);
});

Deno.test("followSuccession() follows none whose links are missing, out of order, repeated or lead elsewhere", async () => {
  const { certificates, links } = await succession(4);
  const [oldest, , , newest] = certificates;
  const [first, second, third] = links;
  assert.ok(oldest && newest && first && second && third);
  const foreign = await succession(2);
  const broken: Readonly<Record<string, readonly Uint8Array[]>> = {
    none: [],
    "the last is missing": [first, second],
    "one in the middle is missing": [first, third],
    "the first is missing": [second, third],
    "backwards": [third, second, first],
    "two are exchanged": [first, third, second],
    "one comes twice": [first, first, second, third],
    "more follows than leads to the server": [first, second, third, at(foreign.links, 0)],
    "another daemon's": foreign.links,
    "the CAs themselves": certificates,
    "unreadable": [first, second, third.subarray(0, 100)],
    "not a certificate": [new Uint8Array([1, 2, 3])],
    "too long": [new Uint8Array(20_000)],
  };
  for (const [name, succession] of Object.entries(broken)) {
    // deno-lint-ignore no-await-in-loop -- a table
    assert.equal(await followSuccession([oldest], succession, newest), undefined, name);
  }
  assert.deepEqual(await followSuccession([oldest], links, newest), [oldest, newest]);
  assert.equal(await followSuccession([oldest], links, at(foreign.certificates, 1)), undefined);
});

Deno.test("followSuccession() follows no loop", async () => {
  const { authorities: [one, two, three], certificates: [trusted, , newest] } = await succession(3);
  assert.ok(one && two && three && trusted && newest);
  const there = await one.certifySuccessor(two);
  const back = await two.certifySuccessor(one);
  const onwards = await one.certifySuccessor(three);
  assert.equal(await followSuccession([trusted], [there, back, onwards], newest), undefined);
  assert.equal(await followSuccession([trusted], [await one.certifySuccessor(one), onwards], newest), undefined);
  assert.deepEqual(await followSuccession([trusted], [onwards], newest), [trusted, newest]);
});

Deno.test("followSuccession() believes no link that a CA of the same name has signed, or that is changed", async () => {
  const { authorities: [old, next], certificates: [trusted, newest], links: [link] } = await succession(2);
  assert.ok(old && next && trusted && newest && link);
  const namesake = await CertificateAuthority.create({ clock });
  assert.equal(await followSuccession([trusted], [await namesake.certifySuccessor(next)], newest), undefined);
  // What is signed: behind the header of the whole and its own, each of four bytes (30 82 and the length).
  assert.deepEqual([link.at(0), link.at(1), link.at(4), link.at(5)], [0x30, 0x82, 0x30, 0x82]);
  const signedBytes = new DataView(link.buffer, link.byteOffset).getUint16(6);
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 8, max: 7 + signedBytes }),
      fc.integer({ min: 1, max: 255 }),
      async (position, mask) => {
        const changed = link.map((byte, index) => index === position ? byte ^ mask : byte);
        assert.equal(await followSuccession([trusted], [changed], newest), undefined);
      },
    ),
    { numRuns: 60 },
  );
});

Deno.test("followSuccession() believes no link that is no CA, has another name or brings another key", async () => {
  const { authorities: [old, next, other], certificates: [trusted, newest] } = await succession(3);
  assert.ok(old && next && other && trusted && newest);
  const forged = async (parts: Partial<Parameters<typeof forgedLink>[0]>) =>
    await followSuccession([trusted], [await forgedLink({ signer: old, successor: next, ...parts })], newest);
  assert.deepEqual(await forged({}), [trusted, newest], "nothing is wrong with this one");
  const [isAuthority, maySign] = AUTHORITY;
  assert.ok(isAuthority && maySign);
  assert.equal(await forged({ extensions: [] }), undefined, "no flags");
  assert.equal(await forged({ extensions: [isAuthority] }), undefined, "may not sign certificates");
  assert.equal(await forged({ extensions: [maySign] }), undefined, "is not a CA");
  const leaf = new x509.BasicConstraintsExtension(false, undefined, true);
  assert.equal(await forged({ extensions: [leaf, maySign] }), undefined, "says that it is not a CA");
  assert.equal(await forged({ successor: other }), undefined, "another key");
  assert.equal(await forged({ subject: "CN=Another CA" }), undefined, "another subject");
  assert.equal(await forged({ issuer: "CN=Another CA" }), undefined, "another issuer");
});

Deno.test("followSuccession() takes a CA's own leaf neither for a CA that is trusted nor for the server's CA", async () => {
  const { authorities: [old, next], certificates: [trusted, newest], links } = await succession(2);
  assert.ok(old && next && trusted && newest);
  const { certificatePem } = await old.issueServerCertificate({ names: [], addresses: [], validityMs: 60_000 });
  const leaf = pemToDer(certificatePem);
  assert.equal(await followSuccession([leaf], links, newest), undefined);
  assert.equal(await followSuccession([trusted], links, leaf), undefined);
  // Signed by the old CA, so it would be a link; but a server's CA proves its own key.
  assert.equal(await followSuccession([trusted], links, at(links, 0)), undefined);
});

Deno.test("followSuccession() looks at no more links than a daemon keeps", async () => {
  const { certificates, links } = await succession(MAX_SUCCESSION_LINKS + 2);
  const newest = at(certificates, -1);
  assert.equal(links.length, MAX_SUCCESSION_LINKS + 1);
  assert.equal(await followSuccession([at(certificates, 0)], links, newest), undefined);
  const kept = links.slice(1);
  assert.deepEqual(await followSuccession([at(certificates, 1)], kept, newest), [at(certificates, 1), newest]);
});
