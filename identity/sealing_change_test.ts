import assert from "node:assert/strict";
import { join } from "node:path";
import { PalyraError } from "./palyra_error.ts";
import { isSealed } from "./sealed_secret.ts";
import { resealSecrets, type SealingChange, sealSecrets, unsealSecrets } from "./sealing_change.ts";
import type { SealingKey } from "./sealing_key.ts";
import { SEALING_MARKER } from "./sealing_marker.ts";
import { sealingStatus } from "./sealing_status.ts";
import { failsWith, given, inSecretsFolder, sealingKey } from "./sealing_test_support.ts";
import { SecretStore } from "./secret_store.ts";

const SECRETS: ReadonlyMap<string, string> = new Map([
  ["audit-key", "one"],
  ["ca-key.pem", "two"],
  ["operator-key.pem", "three"],
  ["quic-reset-key", ""],
]);

type Change = (folder: string, onWrite?: (name: string) => void) => Promise<SealingChange>;

class Crash extends Error {}

async function fill(folder: string, key?: SealingKey): Promise<void> {
  const store = await SecretStore.open(folder, given(key));
  for (const [name, text] of SECRETS) {
    // deno-lint-ignore no-await-in-loop -- a few files
    await store.write(name, new TextEncoder().encode(text));
  }
}

/** Everything can be read with this key, or in plain, and nothing is left over. */
async function assertWhole(folder: string, key?: SealingKey): Promise<void> {
  const store = await SecretStore.open(folder, given(key));
  assert.equal(store.sealingKeyId, key?.id);
  assert.deepEqual(await store.list(), [...SECRETS.keys()]);
  for (const [name, text] of SECRETS) {
    // deno-lint-ignore no-await-in-loop -- a few files
    assert.equal(new TextDecoder().decode(await store.read(name)), text, name);
    // deno-lint-ignore no-await-in-loop -- a few files
    assert.equal(isSealed(await Deno.readFile(join(folder, name))), key !== undefined, name);
  }
  const names = (await Array.fromAsync(Deno.readDir(folder), ({ name }) => name)).sort();
  assert.deepEqual(names, [...SECRETS.keys(), ...(key === undefined ? [] : [SEALING_MARKER])].sort());
}

/** Writes of a whole change: the marker, each file, the marker. */
const WRITES: number = SECRETS.size + 2;

/** Lets a change die before its write number `at`, counted from 0. */
async function crashAt(at: number, change: Change, folder: string): Promise<void> {
  let write = 0;
  const crash = () => {
    if (write++ === at) throw new Crash();
  };
  await assert.rejects(change(folder, crash), Crash);
}

/** No program works with a folder in the middle of a change, whatever key it has. */
async function assertRefused(folder: string, keys: readonly (SealingKey | undefined)[], about: RegExp): Promise<void> {
  for (const key of keys) {
    // deno-lint-ignore no-await-in-loop -- one after the other reads better in a failure
    await assert.rejects(SecretStore.open(folder, given(key)), (error) => {
      assert.ok(error instanceof PalyraError, String(error));
      if (error.code === "sealing_unfinished") assert.match(error.message, about);
      else assert.ok(["sealing_key_missing", "sealing_key_wrong"].includes(error.code), error.message);
      return true;
    });
  }
}

const [key, next] = await Promise.all([sealingKey(1), sealingKey(2)]);
const seal: Change = (folder, onWrite) => sealSecrets(key, { folder, ...(onWrite && { onWrite }) });
const unseal: Change = (folder, onWrite) => unsealSecrets(key, { folder, ...(onWrite && { onWrite }) });
const reseal: Change = (folder, onWrite) => resealSecrets(key, next, { folder, ...(onWrite && { onWrite }) });

for (let at = 0; at < WRITES; at++) {
  Deno.test(`sealSecrets() that dies before write ${at + 1} of ${WRITES} goes on, or turns back`, async () => {
    await inSecretsFolder(async (folder) => {
      await fill(folder);
      await crashAt(at, seal, folder);
      if (at === 0) await assertWhole(folder);
      else await assertRefused(folder, [undefined, key, next], /palyrad secrets seal/);
      assert.deepEqual(await seal(folder), { secrets: SECRETS.size, changed: SECRETS.size - Math.max(0, at - 1) });
      await assertWhole(folder, key);
      await unseal(folder);
      await crashAt(at, seal, folder);
      await unseal(folder);
      await assertWhole(folder);
    });
  });

  Deno.test(`unsealSecrets() that dies before write ${at + 1} of ${WRITES} goes on, or turns back`, async () => {
    await inSecretsFolder(async (folder) => {
      await fill(folder, key);
      await crashAt(at, unseal, folder);
      if (at === 0) await assertWhole(folder, key);
      else await assertRefused(folder, [undefined, key, next], /palyrad secrets unseal/);
      assert.deepEqual(await unseal(folder), { secrets: SECRETS.size, changed: SECRETS.size - Math.max(0, at - 1) });
      await assertWhole(folder);
      await seal(folder);
      await crashAt(at, unseal, folder);
      await seal(folder);
      await assertWhole(folder, key);
    });
  });

  Deno.test(`resealSecrets() that dies before write ${at + 1} of ${WRITES} goes on with both keys`, async () => {
    await inSecretsFolder(async (folder) => {
      await fill(folder, key);
      await crashAt(at, reseal, folder);
      if (at === 0) await assertWhole(folder, key);
      else {
        await assertRefused(folder, [undefined, key, next], /palyrad secrets rekey --new-key-file/);
        await assert.rejects(seal(folder), failsWith("sealing_unfinished"));
        await assert.rejects(unseal(folder), failsWith("sealing_unfinished"));
        await assert.rejects(resealSecrets(key, await sealingKey(3), { folder }), failsWith("sealing_unfinished"));
        const { state, nextKeyId } = await sealingStatus(folder, key);
        assert.deepEqual([state, nextKeyId], ["rekeying", next.id]);
      }
      // It may die again, at the next file.
      if (at < WRITES - 2) await crashAt(1, reseal, folder);
      await reseal(folder);
      await assertWhole(folder, next);
      await assert.rejects(SecretStore.open(folder, given(key)), failsWith("sealing_key_wrong"));
      assert.deepEqual(await reseal(folder), { secrets: SECRETS.size, changed: 0 }, "harmless to repeat");
    });
  });
}

Deno.test("sealSecrets() and unsealSecrets() change nothing where all is done", async () => {
  await inSecretsFolder(async (folder) => {
    await fill(folder);
    assert.deepEqual(await unseal(folder), { secrets: SECRETS.size, changed: 0 });
    await seal(folder);
    const before = await Deno.readFile(join(folder, "ca-key.pem"));
    assert.deepEqual(await seal(folder), { secrets: SECRETS.size, changed: 0 });
    assert.deepEqual(await Deno.readFile(join(folder, "ca-key.pem")), before);
  });
});

Deno.test("a change that finds what it must not change writes nothing", async () => {
  await inSecretsFolder(async (folder) => {
    await fill(folder, key);
    const content = async () => {
      const names = (await Array.fromAsync(Deno.readDir(folder), ({ name }) => name)).sort();
      return await Promise.all(names.map(async (name) => [name, (await Deno.readFile(join(folder, name))).toHex()]));
    };
    const refused = async (code: "secret_not_sealed" | "state_damaged" | "sealing_key_wrong", ...changes: Change[]) => {
      const before = await content();
      for (const change of changes) {
        // deno-lint-ignore no-await-in-loop -- one after the other reads better in a failure
        await assert.rejects(change(folder), failsWith(code));
      }
      assert.deepEqual(await content(), before);
    };
    await Deno.writeTextFile(join(folder, "planted"), "mine");
    await refused("secret_not_sealed", seal, unseal, reseal);
    const marker = await Deno.readFile(join(folder, SEALING_MARKER));
    await Deno.remove(join(folder, SEALING_MARKER));
    await refused("secret_not_sealed", seal, reseal);
    await Deno.remove(join(folder, "planted"));
    await Deno.writeFile(join(folder, SEALING_MARKER), marker);
    await refused(
      "sealing_key_wrong",
      (path) => sealSecrets(next, { folder: path }),
      (path) => unsealSecrets(next, { folder: path }),
    );
    await Deno.copyFile(join(folder, "audit-key"), join(folder, "ca-key.pem"));
    await refused("state_damaged", seal, unseal, reseal);
  });
});

Deno.test("sealSecrets() writes a marker anew that was lost, when every file is sealed with the key", async () => {
  await inSecretsFolder(async (folder) => {
    await fill(folder, key);
    await Deno.remove(join(folder, SEALING_MARKER));
    assert.deepEqual(await seal(folder), { secrets: SECRETS.size, changed: 0 });
    await assertWhole(folder, key);
  });
});

Deno.test("a change removes what a write that died has left, which may hold a secret in plain", async () => {
  await inSecretsFolder(async (folder) => {
    await fill(folder);
    const left = join(folder, `.ca-key.pem.${crypto.randomUUID()}.tmp`);
    await Deno.writeTextFile(left, "plain");
    await seal(folder);
    await assert.rejects(Deno.stat(left), Deno.errors.NotFound);
  });
});

Deno.test("resealSecrets() needs a sealed folder and another key", async () => {
  await inSecretsFolder(async (folder) => {
    await fill(folder);
    await assert.rejects(reseal(folder), failsWith("secret_not_sealed", /secrets seal/));
    await seal(folder);
    await assert.rejects(resealSecrets(key, await sealingKey(1), { folder }), failsWith("invalid_argument"));
  });
});

Deno.test("sealingStatus() tells of each file without opening it, and what is no secret", async () => {
  await inSecretsFolder(async (folder) => {
    await fill(folder, key);
    await Deno.writeTextFile(join(folder, "planted"), "mine");
    await Deno.writeTextFile(join(folder, "ca-key.pem~"), "an editor's copy");
    const { state, keyId, secrets, others } = await sealingStatus(folder, undefined);
    assert.deepEqual([state, keyId], ["unknown", key.id]);
    assert.deepEqual(
      secrets.map((secret) => [secret.name, secret.keyId]),
      [...SECRETS.keys(), "planted"].sort().map((name) => [name, name === "planted" ? undefined : key.id]),
    );
    assert.deepEqual(others, ["ca-key.pem~"]);
    assert.equal((await sealingStatus(folder, key)).state, "sealed");
  });
});
