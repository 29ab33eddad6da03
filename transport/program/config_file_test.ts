import assert from "node:assert/strict";
import { join } from "node:path";
import { locateConfigFile, MAX_CONFIG_FILE_BYTES, readConfigFile } from "./config_file.ts";

const nothing = new Map<string, string>();
const variable = new Map([["PALYRA_CONFIG", "/env/palyra.toml"]]);

Deno.test("locateConfigFile() takes the flag, then the variable, then the state folder", () => {
  const stateFolder = "/state/palyrad";
  assert.deepEqual(locateConfigFile({ flag: "/x.toml", environment: variable, stateFolder }), {
    path: "/x.toml",
    required: true,
  });
  assert.deepEqual(locateConfigFile({ environment: variable, stateFolder }), {
    path: "/env/palyra.toml",
    required: true,
  });
  assert.deepEqual(locateConfigFile({ environment: nothing, stateFolder }), {
    path: "/state/palyrad/palyra.toml",
    required: false,
  });
});

async function withFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("readConfigFile() reads text, and takes an absent file for none unless somebody named it", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "palyra.toml");
    assert.equal(await readConfigFile({ path, required: false }), undefined);
    await assert.rejects(readConfigFile({ path, required: true }), {
      code: "invalid_config",
      message: /does not exist/,
    });
    await Deno.writeTextFile(path, 'name = "Žofie"');
    assert.deepEqual(await readConfigFile({ path, required: true }), { path, text: 'name = "Žofie"' });
  });
});

Deno.test("readConfigFile() refuses what is too large, no text, or no file", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "palyra.toml");
    await Deno.writeFile(path, new Uint8Array(MAX_CONFIG_FILE_BYTES).fill(0x20));
    assert.equal((await readConfigFile({ path, required: true }))?.text.length, MAX_CONFIG_FILE_BYTES);
    await Deno.writeFile(path, new Uint8Array(MAX_CONFIG_FILE_BYTES + 1).fill(0x20));
    await assert.rejects(readConfigFile({ path, required: false }), { code: "invalid_config", message: /larger than/ });
    await Deno.writeFile(path, Uint8Array.of(0xff, 0xfe));
    await assert.rejects(readConfigFile({ path, required: false }), { code: "invalid_config", message: /not UTF-8/ });
    await assert.rejects(readConfigFile({ path: folder, required: false }), {
      code: "invalid_config",
      message: /cannot be read/,
    });
  });
});

Deno.test("readConfigFile() names the missing permission", {
  permissions: { read: false },
}, async () => {
  await assert.rejects(readConfigFile({ path: "/palyra.toml", required: false }), {
    code: "permission_missing",
    message: /--allow-read=\/palyra\.toml/,
  });
});
