import assert from "node:assert/strict";
import { join } from "node:path";
import { PalyraError } from "./palyra_error.ts";
import type { ReasonCode } from "./reason_code.ts";
import { SecretStore } from "./secret_store.ts";

const NOBODY = 65_534;
const SECRET = new TextEncoder().encode("a secret");

const failsWith = (code: ReasonCode, about = /./) => (error: unknown): boolean => {
  assert.ok(error instanceof PalyraError, String(error));
  assert.equal(error.code, code);
  assert.match(error.message, about);
  return true;
};

async function inFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await run(folder);
  } finally {
    await Deno.chmod(folder, 0o700);
    await Deno.remove(folder, { recursive: true });
  }
}

async function modeOf(path: string): Promise<number> {
  return ((await Deno.lstat(path)).mode ?? 0) & 0o777;
}

Deno.test("SecretStore.open() makes the folder closed to others and closes one that is open", async () => {
  await inFolder(async (folder) => {
    const fresh = join(folder, "deep", "secrets");
    await SecretStore.open(fresh);
    assert.equal(await modeOf(fresh), 0o700);
    const open = join(folder, "open");
    await Deno.mkdir(open);
    await Deno.chmod(open, 0o755);
    await SecretStore.open(open);
    assert.equal(await modeOf(open), 0o700);
    await Deno.writeTextFile(join(folder, "file"), "");
    await assert.rejects(SecretStore.open(join(folder, "file")), failsWith("state_damaged", /not a folder/));
    await assert.rejects(SecretStore.open(join(folder, "file", "below")), failsWith("state_damaged", /not a folder/));
  });
});

Deno.test("SecretStore gives back what was written when opened again, and lists and deletes it", async () => {
  await inFolder(async (folder) => {
    const store = await SecretStore.open(folder);
    assert.equal(await store.read("ca-key.pem"), undefined);
    await store.write("ca-key.pem", SECRET);
    await store.write("a.1_b", new Uint8Array(0));
    assert.equal(await modeOf(join(folder, "ca-key.pem")), 0o600);
    const again = await SecretStore.open(folder);
    assert.deepEqual(await again.read("ca-key.pem"), SECRET);
    await Deno.writeTextFile(join(folder, "Not A Secret"), "");
    await Deno.mkdir(join(folder, "folder"));
    assert.deepEqual(await again.list(), ["a.1_b", "ca-key.pem"]);
    assert.ok(await again.delete("ca-key.pem"));
    assert.ok(!await again.delete("ca-key.pem"));
    assert.deepEqual(await again.list(), ["a.1_b"]);
  });
});

Deno.test("SecretStore refuses when a name could leave the folder or is not plain", async () => {
  await inFolder(async (folder) => {
    const store = await SecretStore.open(folder);
    const names = ["", ".", "..", "../x", "a/b", "a\\b", ".hidden", "-a", "A", "a\u0000", "a b", "a".repeat(101), "é"];
    await Promise.all(names.flatMap((name) => [
      assert.rejects(store.read(name), failsWith("invalid_argument")),
      assert.rejects(store.write(name, SECRET), failsWith("invalid_argument")),
      assert.rejects(store.delete(name), failsWith("invalid_argument")),
    ]));
    await store.write("a".repeat(100), SECRET);
    await assert.rejects(store.write("big", new Uint8Array(1024 * 1024 + 1)), failsWith("invalid_argument"));
    assert.deepEqual(await store.list(), ["a".repeat(100)]);
  });
});

Deno.test("SecretStore.read() refuses and says chmod 600 when others may read the file", async () => {
  await inFolder(async (folder) => {
    const store = await SecretStore.open(folder);
    await store.write("key", SECRET);
    const path = join(folder, "key");
    for (const mode of [0o640, 0o604, 0o610, 0o602]) {
      // deno-lint-ignore no-await-in-loop -- one file takes one mode after another
      await Deno.chmod(path, mode);
      // deno-lint-ignore no-await-in-loop -- as above
      await assert.rejects(store.read("key"), failsWith("state_damaged", new RegExp(`chmod 600 ${path}`)));
    }
    await Deno.chmod(path, 0o400);
    assert.deepEqual(await store.read("key"), SECRET);
  });
});

Deno.test("SecretStore.read() refuses when the file is a link, a folder or too long", async () => {
  await inFolder(async (folder) => {
    const store = await SecretStore.open(folder);
    await store.write("key", SECRET);
    await Deno.symlink(join(folder, "key"), join(folder, "link"));
    await Deno.mkdir(join(folder, "folder"));
    await Deno.writeFile(join(folder, "long"), new Uint8Array(1024 * 1024 + 1), { mode: 0o600 });
    await assert.rejects(store.read("link"), failsWith("state_damaged", /plain file/));
    await assert.rejects(store.read("folder"), failsWith("state_damaged", /plain file/));
    await assert.rejects(store.read("long"), failsWith("state_damaged", /1 MiB/));
  });
});

Deno.test("SecretStore says state_read_only when the system does not let the user write or read", async () => {
  await inFolder(async (folder) => {
    const secrets = join(folder, "secrets");
    const store = await SecretStore.open(secrets);
    await store.write("key", SECRET);
    const script = join(folder, "try.ts");
    await Deno.writeTextFile(
      script,
      `import { SecretStore } from ${JSON.stringify(import.meta.resolve("./secret_store.ts"))};
      const codeOf = (promise) => promise.then(() => "done", (error) => error.code ?? String(error));
      Deno.chmodSync(${JSON.stringify(secrets)}, 0o700);
      const store = await SecretStore.open(${JSON.stringify(secrets)});
      Deno.chmodSync(${JSON.stringify(secrets)}, 0o500);
      console.log(await codeOf(store.write("new", new Uint8Array(1))), await codeOf(store.delete("key")));
      Deno.chmodSync(${JSON.stringify(join(secrets, "key"))}, 0o000);
      console.log(await codeOf(store.read("key")));
      console.log(await codeOf(SecretStore.open(${JSON.stringify(join(secrets, "below"))})));`,
    );
    const cache = join(folder, "cache");
    await Deno.mkdir(cache);
    // Root may do everything, so that the attempt is made as somebody else.
    const asNobody = Deno.uid() === 0;
    if (asNobody) {
      await Promise.all([folder, cache, secrets, join(secrets, "key")].map((path) => Deno.chown(path, NOBODY, NOBODY)));
    }
    const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-config", "--no-check", script],
      env: { DENO_DIR: cache },
      ...(asNobody ? { uid: NOBODY, gid: NOBODY } : {}),
    }).output();
    const said = new TextDecoder().decode(stdout);
    const expected = ["state_read_only state_read_only", "state_read_only", "state_read_only"];
    assert.deepEqual(said.trim().split("\n"), expected, new TextDecoder().decode(stderr));
    await Deno.chmod(secrets, 0o700);
  });
});

Deno.test({
  name: "SecretStore says permission_missing when Deno was not given the folder",
  permissions: { read: false, write: false },
  fn: async () => {
    await assert.rejects(SecretStore.open("/nowhere"), failsWith("permission_missing", /--allow-write/));
  },
});
