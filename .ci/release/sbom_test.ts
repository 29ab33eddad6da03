import assert from "node:assert/strict";
import { LockedDigests } from "./locked_digests.ts";
import { licencesText } from "./package_licences.ts";
import { releaseTarget } from "./release_target.ts";
import { sbomText } from "./sbom.ts";

const parts = {
  target: releaseTarget("linux-x64"),
  revision: { commit: "0123456789abcdef0123456789abcdef01234567", modified: false, seconds: 1_700_000_000 },
  licences: [
    { name: "@matrixai/quic-linux-x64", version: "2.0.9", licence: "Apache-2.0", texts: new Map() },
    { name: "@bufbuild/protobuf", version: "2.17.0", licence: "(Apache-2.0 AND BSD-3-Clause)", texts: new Map() },
  ],
  digests: await LockedDigests.read(),
  deno: { version: "2.9.6", sha256: "ab".repeat(32) },
};

Deno.test("sbomText() names Deno, each package with its locked digest, and what the addon is built from", () => {
  const { bomFormat, specVersion, metadata, components: [deno, addon, protobuf] } = JSON.parse(sbomText(parts));
  assert.deepEqual([bomFormat, specVersion, metadata.timestamp], ["CycloneDX", "1.6", "2023-11-14T22:13:20.000Z"]);
  assert.equal(deno.purl, "pkg:npm/%40deno/linux-x64-glibc@2.9.6");
  assert.deepEqual(deno.hashes, [{ alg: "SHA-256", content: "ab".repeat(32) }]);
  assert.equal(addon.purl, "pkg:npm/%40matrixai/quic-linux-x64@2.0.9");
  assert.deepEqual(addon.components.map(({ purl }: { purl: string }) => purl), ["pkg:cargo/quiche@0.18.0"]);
  assert.match(protobuf.hashes[0].content, /^[0-9a-f]{128}$/);
  assert.deepEqual(protobuf.licenses, [{ expression: "(Apache-2.0 AND BSD-3-Clause)" }]);
});

Deno.test("sbomText() gives the same parts the same serial number, and other parts another", () => {
  const serialOf = (text: string) => JSON.parse(text).serialNumber;
  assert.equal(sbomText(parts), sbomText(parts));
  assert.match(
    serialOf(sbomText(parts)),
    /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
  );
  assert.notEqual(serialOf(sbomText(parts)), serialOf(sbomText({ ...parts, target: releaseTarget("macos-x64") })));
});

Deno.test("LockedDigests.sha512Of() throws for what deno.lock does not hold", () => {
  assert.throws(() => parts.digests.sha512Of({ name: "ulid", version: "0.0.0" }), /does not hold ulid@0\.0\.0/);
});

Deno.test("licencesText() gives each text, and says so where a package holds none", () => {
  const texts = new Map([["LICENSE", "Do what you like.\n"]]);
  const licences = [{ name: "a", version: "1.0.0", licence: "X", texts }, ...parts.licences.slice(0, 1)];
  const text = licencesText(licences, { version: "2.9.6", licence: "Deno's terms." });
  for (const expected of ["Deno 2.9.6: MIT\n\nDeno's terms.", "a 1.0.0: X\n\nDo what you like.", "holds no text"]) {
    assert.ok(text.includes(expected), text);
  }
});
