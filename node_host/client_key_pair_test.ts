import assert from "node:assert/strict";
import { join } from "node:path";
import { CertificateAuthority } from "../identity/certificate_authority.ts";
import { SecretStore } from "../identity/secret_store.ts";
import { TlsKey } from "../identity/tls_key.ts";
import { systemClock } from "../identity/unix_ms.ts";
import { type ClientKeyPair, ClientKeyPairStore, type SecretFiles } from "./client_key_pair.ts";
import { isCertificateOfKey } from "./node_credentials.ts";
import { SECRET_NAMES } from "./node_secrets.ts";
import { DEVICE_ID } from "./testing/test_node.ts";
import { TestFolder } from "./testing/test_folder.ts";

class Crash extends Error {}

/** Does so many changes for real, then nothing any more, as if the machine had stopped there. */
class CrashingFiles implements SecretFiles {
  readonly #files: SecretStore;
  #left: number;
  changes = 0;

  constructor(files: SecretStore, left: number) {
    this.#files = files;
    this.#left = left;
  }

  read(name: string): Promise<Uint8Array | undefined> {
    return this.#files.read(name);
  }

  async write(name: string, bytes: Uint8Array): Promise<void> {
    this.#spend();
    await this.#files.write(name, bytes);
  }

  async delete(name: string): Promise<boolean> {
    this.#spend();
    return await this.#files.delete(name);
  }

  #spend(): void {
    if (this.#left === 0) throw new Crash();
    this.#left -= 1;
    this.changes += 1;
  }
}

async function newPair(ca: CertificateAuthority): Promise<ClientKeyPair> {
  const tlsKey = await TlsKey.generate();
  const { certificatePem } = await ca.issueClientCertificate({
    deviceId: DEVICE_ID,
    clientKind: "node",
    trustDomain: "palyra.test",
    publicKey: tlsKey.publicKey,
    validityMs: 3_600_000,
  });
  return { tlsKey, certificatePem };
}

/** The changes of one replacement: the switch, the two places, the end of the switch. */
const CHANGES = 4;

for (let done = 0; done <= CHANGES; done++) {
  for (let doneAfterwards = 0; doneAfterwards < CHANGES; doneAfterwards++) {
    Deno.test(
      `ClientKeyPairStore has a matching pair when a crash comes after ${done} changes, and again after ${doneAfterwards}`,
      async () => {
        await using folder = await TestFolder.create();
        const secrets = await SecretStore.open(join(folder.path, "secrets"));
        const ca = await CertificateAuthority.create({ clock: systemClock });
        const [earlier, later] = await Promise.all([newPair(ca), newPair(ca)]);
        await new ClientKeyPairStore(secrets).replace(earlier);

        const replaced = await crashing(
          (files) => new ClientKeyPairStore(files).replace(later),
          new CrashingFiles(secrets, done),
        );
        assert.equal(replaced, done < CHANGES ? "crashed" : "finished");
        await crashing(
          (files) => new ClientKeyPairStore(files).read(),
          new CrashingFiles(secrets, doneAfterwards),
        );

        const expected = done === 0 ? earlier : later;
        const pair = await new ClientKeyPairStore(secrets).read();
        assert.ok(pair !== undefined && isCertificateOfKey(pair.certificatePem, pair.tlsKey));
        assert.equal(pair.certificatePem, expected.certificatePem);
        assert.deepEqual(pair.tlsKey.publicKey, expected.tlsKey.publicKey);
        assert.deepEqual(await secrets.list(), [SECRET_NAMES.clientCertificate, SECRET_NAMES.tlsKey]);
        await new ClientKeyPairStore(secrets).replace(earlier);
        assert.equal((await new ClientKeyPairStore(secrets).read())?.certificatePem, earlier.certificatePem);
      },
    );
  }
}

/** The same with CAs that are to be trusted from then on: they have a place too. */
const CHANGES_WITH_CAS = 5;

for (let done = 0; done <= CHANGES_WITH_CAS; done++) {
  Deno.test(`ClientKeyPairStore replaces the trusted CAs together with the pair when a crash comes after ${done} changes`, async () => {
    await using folder = await TestFolder.create();
    const secrets = await SecretStore.open(join(folder.path, "secrets"));
    const [old, next] = await Promise.all([
      CertificateAuthority.create({ clock: systemClock }),
      CertificateAuthority.create({ clock: systemClock }),
    ]);
    const [earlier, later] = await Promise.all([newPair(old), newPair(next)]);
    const trusted = async () => new TextDecoder().decode(await secrets.read(SECRET_NAMES.trustedCa));
    await new ClientKeyPairStore(secrets).replace(earlier, old.certificatePem);
    assert.equal(await trusted(), old.certificatePem);
    const bundle = next.certificatePem + old.certificatePem;
    const files = new CrashingFiles(secrets, done);
    const replaced = await crashing((files) => new ClientKeyPairStore(files).replace(later, bundle), files);
    assert.equal(replaced, done < CHANGES_WITH_CAS ? "crashed" : "finished");
    const pair = await new ClientKeyPairStore(secrets).read();
    assert.equal(pair?.certificatePem, (done === 0 ? earlier : later).certificatePem);
    assert.equal(await trusted(), done === 0 ? old.certificatePem : bundle);
    await new ClientKeyPairStore(secrets).replace(earlier);
    assert.equal(await trusted(), done === 0 ? old.certificatePem : bundle, "without CAs those that are trusted stay");
  });
}

async function crashing(act: (files: SecretFiles) => Promise<unknown>, files: CrashingFiles) {
  try {
    await act(files);
    return "finished";
  } catch (error) {
    if (!(error instanceof Crash)) throw error;
    return "crashed";
  }
}

Deno.test("ClientKeyPairStore.replace() makes the changes that the crash tests count", async () => {
  await using folder = await TestFolder.create();
  const secrets = await SecretStore.open(join(folder.path, "secrets"));
  const files = new CrashingFiles(secrets, CHANGES);
  await new ClientKeyPairStore(files).replace(
    await newPair(await CertificateAuthority.create({ clock: systemClock })),
  );
  assert.equal(files.changes, CHANGES);
});

Deno.test("ClientKeyPairStore.read() keeps the pair in place when the file of a switch is damaged", async () => {
  await using folder = await TestFolder.create();
  const secrets = await SecretStore.open(join(folder.path, "secrets"));
  const store = new ClientKeyPairStore(secrets);
  assert.equal(await store.read(), undefined);
  const ca = await CertificateAuthority.create({ clock: systemClock });
  const [pair, other] = await Promise.all([newPair(ca), newPair(ca)]);
  await store.replace(pair);
  const damaged = ["", "-", await other.tlsKey.toPem(), await other.tlsKey.toPem() + pair.certificatePem];
  for (const text of damaged) {
    // deno-lint-ignore no-await-in-loop -- one content after the other
    await secrets.write(SECRET_NAMES.nextKeyPair, new TextEncoder().encode(text));
    // deno-lint-ignore no-await-in-loop -- one content after the other
    const kept = await store.read();
    assert.equal(kept?.certificatePem, pair.certificatePem);
    assert.deepEqual(kept.tlsKey.publicKey, pair.tlsKey.publicKey);
    // deno-lint-ignore no-await-in-loop -- one content after the other
    assert.deepEqual(await secrets.list(), [SECRET_NAMES.clientCertificate, SECRET_NAMES.tlsKey]);
  }
});
