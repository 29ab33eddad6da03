import assert from "node:assert/strict";
import { join } from "node:path";
import { failsWith, inSecretsFolder, sealingKey } from "../../../identity/sealing_test_support.ts";
import { testdataProgram } from "../testdata_program.ts";
import { type MutableEnvironment, takeSealingKey } from "./given_sealing_key.ts";

const KEY = new Uint8Array(32).fill(1);
const { id: KEY_ID } = await sealingKey(1);

function environment(variables: Record<string, string>): MutableEnvironment & { readonly left: () => string[] } {
  const map = new Map(Object.entries(variables));
  return { get: (name) => map.get(name), delete: (name) => map.delete(name), left: () => [...map.keys()] };
}

async function idFrom(variables: Record<string, string>): Promise<string | undefined> {
  return (await takeSealingKey(environment(variables))())?.id;
}

Deno.test("takeSealingKey() takes the key's variable out of the environment before anything else is asked", async () => {
  const given = environment({ PALYRA_SEALING_KEY: KEY.toBase64(), PALYRA_LOG_LEVEL: "debug" });
  const source = takeSealingKey(given);
  assert.deepEqual(given.left(), ["PALYRA_LOG_LEVEL"]);
  assert.equal((await source())?.id, KEY_ID);
  assert.equal((await source())?.id, KEY_ID, "as often as it is asked");
});

Deno.test("takeSealingKey() reads a key file, and the systemd credential under its usual or another name", async () => {
  await inSecretsFolder(async (folder) => {
    const file = join(folder, "key");
    await Deno.writeTextFile(file, `${KEY.toHex()}\n`, { mode: 0o600 });
    assert.equal(await idFrom({ PALYRA_SEALING_KEY_FILE: file }), KEY_ID);
    await Deno.chmod(file, 0o640);
    assert.equal(await idFrom({ PALYRA_SEALING_KEY_FILE: file }), KEY_ID, "the group may read it");
    assert.equal(await idFrom({ CREDENTIALS_DIRECTORY: folder }), undefined);
    await Deno.writeFile(join(folder, "palyra-sealing-key"), KEY);
    assert.equal(await idFrom({ CREDENTIALS_DIRECTORY: folder }), KEY_ID);
    assert.equal(await idFrom({ CREDENTIALS_DIRECTORY: folder, PALYRA_SEALING_CREDENTIAL: "key" }), KEY_ID);
    const other = (await sealingKey(2)).id;
    const text = new Uint8Array(32).fill(2).toBase64();
    assert.equal(
      await idFrom({ CREDENTIALS_DIRECTORY: folder, PALYRA_SEALING_KEY: text }),
      other,
      "the variable first",
    );
  });
});

Deno.test("takeSealingKey() has no key where none was given", async () => {
  assert.equal(await idFrom({}), undefined);
  assert.equal(await idFrom({ PALYRA_SEALING_KEY: "", CREDENTIALS_DIRECTORY: "/nonexistent" }), undefined);
});

Deno.test("takeSealingKey() refuses what is named and cannot be a key, without repeating it", async () => {
  await inSecretsFolder(async (folder) => {
    const file = join(folder, "key");
    await Deno.writeTextFile(file, "hunter2", { mode: 0o600 });
    const rejects = async (variables: Record<string, string>, about: RegExp) => {
      await assert.rejects(idFrom(variables), (error) => {
        assert.ok(!String(error).includes("hunter2"));
        return failsWith("invalid_config", about)(error);
      });
    };
    await rejects({ PALYRA_SEALING_KEY: "hunter2" }, /PALYRA_SEALING_KEY holds no sealing key.*head -c 32/);
    await rejects({ PALYRA_SEALING_KEY_FILE: file }, /key holds no sealing key/);
    await rejects({ PALYRA_SEALING_KEY_FILE: join(folder, "none") }, /no file/);
    await rejects({ PALYRA_SEALING_KEY_FILE: folder }, /cannot be read/);
    await rejects({ PALYRA_SEALING_KEY: KEY.toHex(), PALYRA_SEALING_KEY_FILE: file }, /keep one of them/);
    await rejects({ PALYRA_SEALING_CREDENTIAL: "other", CREDENTIALS_DIRECTORY: folder }, /LoadCredential=other:FILE/);
    await rejects({ PALYRA_SEALING_CREDENTIAL: "../key", CREDENTIALS_DIRECTORY: folder }, /no path/);
    await Deno.writeFile(file, KEY);
    await Deno.chmod(file, 0o644);
    await assert.rejects(
      idFrom({ PALYRA_SEALING_KEY_FILE: file }),
      failsWith("state_not_private", /chmod 600/),
    );
  });
});

Deno.test("takeSealingKey() leaves no key to the programs that this one starts", async () => {
  const { stdout } = await testdataProgram("take_sealing_key.ts", [], { env: { PALYRA_SEALING_KEY: KEY.toHex() } })
    .output();
  const said = JSON.parse(new TextDecoder().decode(stdout));
  assert.deepEqual(said, { inheritedBefore: KEY.toHex(), inheritedAfter: "none", keyId: KEY_ID });
});
