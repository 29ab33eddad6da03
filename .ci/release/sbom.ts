import { createHash } from "node:crypto";
import project from "../../deno.json" with { type: "json" };
import type { LockedDigests } from "./locked_digests.ts";
import type { PackageLicence } from "./package_licences.ts";
import type { ReleaseTarget } from "./release_target.ts";
import type { SourceRevision } from "./source_revision.ts";

/** What a bill of materials is made of. */
export interface SbomParts {
  readonly target: ReleaseTarget;
  readonly revision: SourceRevision;
  readonly licences: readonly PackageLicence[];
  readonly digests: LockedDigests;
  readonly deno: {
    readonly version: string;
    /** Of the executable, in hexadecimal; undefined where the release does not hold it as a file. */
    readonly sha256: string | undefined;
  };
}

type Component = Readonly<Record<string, unknown>>;

/** What the native addon is built from: its package's manifest does not say, and advisories name it. */
const QUICHE: Component = {
  type: "library",
  "bom-ref": "pkg:cargo/quiche@0.18.0",
  name: "quiche",
  version: "0.18.0",
  purl: "pkg:cargo/quiche@0.18.0",
  licenses: [{ license: { id: "BSD-2-Clause" } }],
};

/** The bill of materials of a release: CycloneDX 1.6 as JSON. The same parts give the same text. */
export function sbomText(parts: SbomParts): string {
  const { target, revision } = parts;
  const contents = {
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    version: 1,
    metadata: {
      timestamp: new Date(revision.seconds * 1_000).toISOString(),
      component: {
        type: "application",
        "bom-ref": `palyra@${project.version}`,
        name: "palyra",
        version: project.version,
        licenses: [{ license: { id: "Apache-2.0" } }],
        properties: [
          { name: "palyra:target", value: target.triple },
          { name: "palyra:commit", value: revision.modified ? "unknown" : revision.commit },
        ],
      },
    },
    components: [denoComponent(parts), ...parts.licences.map((found) => packageComponent(found, parts))],
  };
  const { bomFormat, specVersion, ...rest } = contents;
  return `${JSON.stringify({ bomFormat, specVersion, serialNumber: serialNumber(contents), ...rest }, undefined, 2)}\n`;
}

function denoComponent({ target, deno: { version, sha256 } }: SbomParts): Component {
  const purl = packageUrl(target.denoPackage, version);
  return {
    type: "platform",
    "bom-ref": purl,
    name: "deno",
    version,
    purl,
    licenses: [{ license: { id: "MIT" } }],
    ...(sha256 === undefined ? {} : { hashes: [{ alg: "SHA-256", content: sha256 }] }),
  };
}

function packageComponent(found: PackageLicence, { target, digests }: SbomParts): Component {
  const { name, version, licence } = found;
  const purl = packageUrl(name, version);
  return {
    type: "library",
    "bom-ref": purl,
    name,
    version,
    purl,
    licenses: licenceOf(licence),
    hashes: [{ alg: "SHA-512", content: digests.sha512Of(found) }],
    ...(name === target.addonPackage ? { components: [QUICHE] } : {}),
  };
}

function licenceOf(licence: string): readonly Component[] {
  return /[ (]/.test(licence) ? [{ expression: licence }] : [{ license: { id: licence } }];
}

/** The Package URL of an npm package; the specification wants a scope's `@` escaped. */
function packageUrl(name: string, version: string): string {
  return `pkg:npm/${name.replace("@", "%40")}@${version}`;
}

/** A UUID (RFC 9562, version 8) out of the contents, where the specification suggests a random one. */
function serialNumber(contents: unknown): string {
  const digest = createHash("sha256").update(JSON.stringify(contents)).digest();
  const bytes = Uint8Array.from(digest.subarray(0, 16));
  bytes[6] = (bytes[6] ?? 0) & 0x0f | 0x80;
  bytes[8] = (bytes[8] ?? 0) & 0x3f | 0x80;
  return `urn:uuid:${bytes.toHex().replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-")}`;
}
