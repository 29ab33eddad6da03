import assert from "node:assert/strict";
import { join } from "node:path";
import { isSealed } from "./sealed_secret.ts";
import type { SealingKey } from "./sealing_key.ts";
import { SEALING_MARKER } from "./sealing_marker.ts";
import { sealingStatus } from "./sealing_status.ts";
import { failsWith, given, inSecretsFolder, sealingKey } from "./sealing_test_support.ts";
import { SecretStore } from "./secret_store.ts";
import { SecretView } from "./secret_view.ts";

const utf8 = (text: string) => new TextEncoder().encode(text);

/** A folder that was sealed from its first secret on. */
async function sealedFolder(folder: string, key: SealingKey): Promise<void> {
  const store = await SecretStore.open(folder, given(key));
  await store.write("ca-key.pem", utf8("the CA's key"));
  await store.write("audit-key", utf8("the audit's key"));
}

Deno.test("SecretStore with a key seals a folder without secrets from the first one on", async () => {
  await inSecretsFolder(async (folder) => {
    const key = await sealingKey(1);
    await SecretStore.open(folder, given(key));
    assert.deepEqual(await Array.fromAsync(Deno.readDir(folder)), [], "opening alone writes nothing");
    await sealedFolder(folder, key);
    for await (const { name } of Deno.readDir(folder)) {
      assert.ok(isSealed(await Deno.readFile(join(folder, name))), name);
    }
    const store = await SecretStore.open(folder, given(key));
    assert.deepEqual(await store.list(), ["audit-key", "ca-key.pem"], "the marker is no secret");
    assert.equal(store.sealingKeyId, key.id);
    assert.deepEqual(await store.read("ca-key.pem"), utf8("the CA's key"));
    await assert.rejects(store.read(SEALING_MARKER), failsWith("invalid_argument"));
    await assert.rejects(store.write(SEALING_MARKER, utf8("{}")), failsWith("invalid_argument"));
  });
});

Deno.test("SecretStore without a key leaves a folder plain", async () => {
  await inSecretsFolder(async (folder) => {
    const store = await SecretStore.open(folder, given());
    await store.write("audit-key", utf8("key"));
    assert.equal(await Deno.readTextFile(join(folder, "audit-key")), "key");
    assert.equal(store.sealingKeyId, undefined);
  });
});

Deno.test("SecretStore.open() refuses a sealed folder without its key, or with another one", async () => {
  await inSecretsFolder(async (folder) => {
    const [key, other] = await Promise.all([sealingKey(1), sealingKey(2)]);
    await sealedFolder(folder, key);
    await assert.rejects(
      SecretStore.open(folder, given()),
      failsWith("sealing_key_missing", new RegExp(`${key.id}.*LoadCredential.*PALYRA_SEALING_KEY_FILE`)),
    );
    await assert.rejects(SecretStore.open(folder, given(other)), failsWith("sealing_key_wrong"));
    const view = new SecretView(folder, given());
    await assert.rejects(view.read("ca-key.pem"), failsWith("sealing_key_missing"));
    await assert.rejects(view.sealingKeyId(), failsWith("sealing_key_missing"));
    assert.equal(await new SecretView(folder, given(key)).readText("ca-key.pem"), "the CA's key");
  });
});

Deno.test("no plain file is taken in a sealed folder, with or without its marker, and no file in another's place", async () => {
  await inSecretsFolder(async (folder) => {
    const key = await sealingKey(1);
    await sealedFolder(folder, key);
    const store = await SecretStore.open(folder, given(key));
    await Deno.writeTextFile(join(folder, "planted"), "mine", { mode: 0o600 });
    await assert.rejects(store.read("planted"), failsWith("secret_not_sealed", /planted is not sealed.*backup/));
    await Deno.copyFile(join(folder, "audit-key"), join(folder, "ca-key.pem"));
    await assert.rejects(store.read("ca-key.pem"), failsWith("state_damaged", /another file was put in its place/));
    await assert.rejects(new SecretView(folder, given(key)).read("planted"), failsWith("secret_not_sealed"));

    await Deno.remove(join(folder, SEALING_MARKER));
    await assert.rejects(SecretStore.open(folder, given(key)), failsWith("secret_not_sealed", /secrets seal/));
    await Deno.remove(join(folder, "planted"));
    // Nothing could be read, but something written, in plain.
    await assert.rejects(
      SecretStore.open(folder, given()),
      failsWith("sealing_key_missing", /sealing\.json is missing/),
    );
    await assert.rejects(new SecretView(folder, given()).read("audit-key"), failsWith("sealing_key_missing"));
    assert.equal((await sealingStatus(folder, undefined)).state, "unknown", "what is sealed is not called plain");
  });
});

Deno.test("a marker that somebody else has made is refused", async () => {
  await inSecretsFolder(async (folder) => {
    const key = await sealingKey(1);
    await sealedFolder(folder, key);
    const marker = join(folder, SEALING_MARKER);
    const real = await Deno.readFile(marker);
    await Deno.writeTextFile(marker, '{"schema_version":1,"state":"unsealing","since_unix_ms":1}');
    await assert.rejects(SecretStore.open(folder, given(key)), failsWith("state_damaged", /sealing\.json/));
    await Deno.writeFile(marker, await Deno.readFile(join(folder, "audit-key")));
    await assert.rejects(SecretStore.open(folder, given(key)), failsWith("state_damaged"));
    await Deno.writeFile(marker, real);
    await SecretStore.open(folder, given(key));
  });
});

Deno.test("SecretView finds nothing in a folder that is not there, and makes none", async () => {
  await inSecretsFolder(async (folder) => {
    const view = new SecretView(join(folder, "secrets"), given(await sealingKey(1)));
    assert.deepEqual([await view.read("ca-key.pem"), await view.sealingKeyId()], [undefined, undefined]);
    await assert.rejects(Deno.stat(join(folder, "secrets")), Deno.errors.NotFound);
  });
});
