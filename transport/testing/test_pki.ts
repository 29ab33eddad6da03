import { X509Certificate } from "node:crypto";
import { join } from "node:path";
import { type Fingerprint, fingerprintOf } from "../../identity/fingerprint.ts";
import type { PeerCertificate } from "../session.ts";

/** A certificate with its key, as a test holds it. */
export interface TestIdentity {
  readonly certificatePem: string;
  readonly keyPem: string;
  readonly der: Uint8Array;
  readonly fingerprint: Fingerprint;
}

/** What a test certificate is for and when it holds. */
export interface IssueOptions {
  readonly usage: "clientAuth" | "serverAuth";
  /** Defaults to yesterday. */
  readonly notBefore?: Date;
  /** Defaults to ten days from now. */
  readonly notAfter?: Date;
}

const DAY_MS = 86_400_000;

const CONFIG = `
[ca]
default_ca = test
[test]
database = index.txt
new_certs_dir = .
default_md = sha256
policy = any
unique_subject = no
rand_serial = yes
[any]
commonName = supplied
`;

/** A certificate authority of the `openssl` command, so that tests do not depend on the project's own. */
export class TestPki implements AsyncDisposable {
  readonly #folder: string;
  readonly ca: TestIdentity;
  #issued = 0;

  private constructor(folder: string, ca: TestIdentity) {
    this.#folder = folder;
    this.ca = ca;
  }

  /** A fresh authority. Two of them have the same name and different keys. */
  static async create(): Promise<TestPki> {
    const folder = await Deno.makeTempDir({ prefix: "palyra-pki-" });
    await Deno.writeTextFile(join(folder, "ca.cnf"), CONFIG);
    await Deno.writeTextFile(join(folder, "index.txt"), "");
    await makeKey(folder, "ca.key");
    await openssl(
      folder,
      ..."req -x509 -new -key ca.key -days 30 -out ca.pem".split(" "),
      ...["-subj", "/CN=Palyra CA"],
      ..."-addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign".split(" "),
    );
    return new TestPki(folder, await load(folder, "ca"));
  }

  /** A P-256 leaf of this authority; servers get the DNS name `palyrad`. */
  async issue(name: string, options: IssueOptions): Promise<TestIdentity> {
    const file = `leaf${++this.#issued}`;
    const subjectAltName = options.usage === "serverAuth" ? "DNS:palyrad" : `URI:spiffe://test/node/${name}`;
    await Deno.writeTextFile(
      join(this.#folder, `${file}.ext`),
      `basicConstraints=CA:FALSE\nextendedKeyUsage=${options.usage}\nsubjectAltName=${subjectAltName}\n`,
    );
    await makeKey(this.#folder, `${file}.key`);
    await openssl(this.#folder, "req", "-new", "-key", `${file}.key`, "-subj", `/CN=${name}`, "-out", `${file}.csr`);
    await openssl(
      this.#folder,
      ..."ca -batch -notext -config ca.cnf -cert ca.pem -keyfile ca.key".split(" "),
      ...["-in", `${file}.csr`, "-out", `${file}.pem`, "-extfile", `${file}.ext`],
      ...["-startdate", asn1Time(options.notBefore ?? new Date(Date.now() - DAY_MS))],
      ...["-enddate", asn1Time(options.notAfter ?? new Date(Date.now() + 10 * DAY_MS))],
    );
    return await load(this.#folder, file);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.#folder, { recursive: true });
  }
}

/** The peer that a connection with this identity has. */
export function peerWith(identity: TestIdentity): PeerCertificate {
  return { fingerprint: identity.fingerprint, der: identity.der };
}

function asn1Time(date: Date): string {
  return `${date.toISOString().slice(0, 19).replaceAll(/[-:T]/g, "")}Z`;
}

async function makeKey(folder: string, file: string): Promise<void> {
  await openssl(folder, ..."ecparam -name prime256v1 -genkey -noout -out".split(" "), file);
}

async function load(folder: string, file: string): Promise<TestIdentity> {
  const certificatePem = await Deno.readTextFile(join(folder, `${file}.pem`));
  const keyPem = await Deno.readTextFile(join(folder, `${file}.key`));
  const der = new Uint8Array(new X509Certificate(certificatePem).raw);
  return { certificatePem, keyPem, der, fingerprint: fingerprintOf(der) };
}

async function openssl(folder: string, ...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command("openssl", { args, cwd: folder }).output();
  if (!success) throw new Error(`openssl ${args[0]}: ${new TextDecoder().decode(stderr)}`);
}
