import assert from "node:assert/strict";
import { isSealed, openSealedSecret, sealedKeyId, sealSecret } from "./sealed_secret.ts";
import { failsWith, sealingKey } from "./sealing_test_support.ts";

const SECRET = new TextEncoder().encode("-----BEGIN PRIVATE KEY-----");
const PATH = "/state/secrets/ca-key.pem";

Deno.test("openSealedSecret() gives back what sealSecret() was given, which does not stand in it", async () => {
  const key = await sealingKey(1);
  for (const secret of [SECRET, new Uint8Array(), new Uint8Array(100_000).fill(7)]) {
    // deno-lint-ignore no-await-in-loop -- one after the other reads better in a failure
    const sealed = await sealSecret(key, "ca-key.pem", secret);
    assert.ok(isSealed(sealed) && !isSealed(secret));
    assert.equal(sealedKeyId(sealed, PATH), key.id);
    // deno-lint-ignore no-await-in-loop -- as above
    assert.deepEqual(await openSealedSecret(key, "ca-key.pem", sealed, PATH), secret);
    assert.ok(secret.length === 0 || sealed.toHex().indexOf(secret.toHex()) === -1);
  }
});

Deno.test("sealSecret() uses a nonce once: the same secret looks different every time", async () => {
  const key = await sealingKey(1);
  const sealed = await Promise.all(Array.from({ length: 20 }, () => sealSecret(key, "a", SECRET)));
  assert.equal(new Set(sealed.map((each) => each.toHex())).size, 20);
});

Deno.test("openSealedSecret() refuses a secret under another name, with another key, and with any bit changed", async () => {
  const [key, other] = await Promise.all([sealingKey(1), sealingKey(2)]);
  const sealed = await sealSecret(key, "tls-key.pem", SECRET);
  await assert.rejects(
    openSealedSecret(key, "ca-key.pem", sealed, PATH),
    failsWith("state_damaged", /another file was put in its place.*backup/),
  );
  await assert.rejects(
    openSealedSecret(other, "tls-key.pem", sealed, PATH),
    failsWith("sealing_key_wrong", new RegExp(`${key.id}.*${other.id}.*PALYRA_SEALING_KEY_FILE`)),
  );
  // Past the magic and the version, which decide whether and how it is read at all.
  const positions = Array.from({ length: sealed.length - 9 }, (_, at) => at + 9);
  await Promise.all(positions.map(async (at) => {
    const changed = sealed.slice();
    changed[at] = (changed[at] ?? 0) ^ 1;
    const code = at < 17 ? "sealing_key_wrong" : "state_damaged";
    await assert.rejects(openSealedSecret(key, "tls-key.pem", changed, PATH), failsWith(code));
  }));
});

Deno.test("sealedKeyId() tells a file that was cut short from one of a newer version", async () => {
  const sealed = await sealSecret(await sealingKey(1), "a", SECRET);
  for (const length of [8, 9, 17, 29, 44]) {
    assert.throws(
      () => sealedKeyId(sealed.subarray(0, length), PATH),
      failsWith("state_damaged", /ca-key\.pem.*backup/),
    );
  }
  const newer = sealed.slice();
  newer[8] = 2;
  assert.throws(() => sealedKeyId(newer, PATH), failsWith("schema_too_new", /update/));
});
