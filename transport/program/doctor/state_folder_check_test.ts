import assert from "node:assert/strict";
import { join } from "node:path";
import type { Finding } from "./finding.ts";
import { stateFolderCheck } from "./state_folder_check.ts";

const onUnix = { ignore: Deno.build.os === "windows" };

async function withFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "palyra-doctor-" });
  try {
    const state = join(folder, "state");
    await Deno.mkdir(join(state, "secrets"), { recursive: true, mode: 0o700 });
    await Deno.writeTextFile(join(state, "record.json"), "{}", { mode: 0o600 });
    await Deno.writeTextFile(join(state, "secrets", "it's a key.pem"), "", { mode: 0o600 });
    await body(state);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function find(folder: string): Promise<Finding> {
  return await stateFolderCheck({ folder, makeIt: "Run it." }).examine();
}

Deno.test(
  "stateFolderCheck() accepts folders 0700 and files 0600, and a configuration that others may read",
  onUnix,
  async () => {
    await withFolder(async (folder) => {
      await Deno.writeTextFile(join(folder, "palyra.toml"), "", { mode: 0o644 });
      await Deno.chmod(join(folder, "palyra.toml"), 0o644);
      await Deno.symlink("/etc/passwd", join(folder, "link"));
      assert.equal((await find(folder)).outcome, "ok");
    });
  },
);

Deno.test("stateFolderCheck() names every path that others may use, and the chmod that closes it", onUnix, async () => {
  await withFolder(async (folder) => {
    await Deno.chmod(join(folder, "secrets"), 0o750);
    await Deno.chmod(join(folder, "secrets", "it's a key.pem"), 0o644);
    await Deno.writeTextFile(join(folder, "palyra.toml"), "");
    await Deno.chmod(join(folder, "palyra.toml"), 0o664);
    const finding = await find(folder);
    assert.ok(finding.outcome === "failed" && finding.code === "state_not_private", JSON.stringify(finding));
    const { success } = await new Deno.Command("sh", {
      args: ["-c", (finding.cure.match(/`[^`]+`/g) ?? []).map((command) => command.slice(1, -1)).join(" && ")],
    }).output();
    assert.ok(success, finding.cure);
    assert.equal((await find(folder)).outcome, "ok", "the cure is one");
  });
});

Deno.test("stateFolderCheck() says so when there is no folder, or a file in its place", async () => {
  await withFolder(async (folder) => {
    const missing = await find(join(folder, "none"));
    assert.ok(missing.outcome === "failed" && missing.code === "state_not_initialised");
    assert.equal(missing.cure, "Run it.");
    const file = await find(join(folder, "record.json"));
    assert.ok(file.outcome === "failed" && file.code === "invalid_config");
  });
});

Deno.test("stateFolderCheck() judges a state folder behind a link by what the link leads to", onUnix, async () => {
  await withFolder(async (folder) => {
    await Deno.symlink(folder, `${folder}-link`);
    assert.equal((await find(`${folder}-link`)).outcome, "ok");
  });
});

Deno.test(
  "stateFolderCheck() looks at so many entries and no more, in however many folders they are",
  onUnix,
  async () => {
    await withFolder(async (folder) => {
      const names = Array.from({ length: 500 }, (_, at) => String(at));
      await Promise.all(["one", "two", "three"].map(async (part) => {
        await Deno.mkdir(join(folder, part), { mode: 0o700 });
        await Promise.all(names.map(async (name) => {
          const path = join(folder, part, name);
          await Deno.writeTextFile(path, "");
          await Deno.chmod(path, 0o644);
        }));
      }));
      const { seen } = await find(folder);
      const more = Number(/and (\d+) more/.exec(seen)?.[1]);
      assert.ok(more > 500 && more <= 1_000, seen);
    });
  },
);
