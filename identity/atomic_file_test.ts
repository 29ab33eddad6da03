import assert from "node:assert/strict";
import { join } from "node:path";
import { removeStaleTemporaries, STALE_TEMPORARY_MS, writeFileAtomically } from "./atomic_file.ts";
import { unixMs } from "./unix_ms.ts";

async function inFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await run(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function namesIn(folder: string): Promise<string[]> {
  return (await Array.fromAsync(Deno.readDir(folder), (entry) => entry.name)).sort();
}

Deno.test("writeFileAtomically() makes and replaces a file that only its owner reads", async () => {
  await inFolder(async (folder) => {
    const path = join(folder, "state.json");
    await writeFileAtomically(path, Uint8Array.of(1, 2, 3));
    assert.deepEqual(await Deno.readFile(path), Uint8Array.of(1, 2, 3));
    await Deno.chmod(path, 0o644);
    const large = crypto.getRandomValues(new Uint8Array(60_000));
    await writeFileAtomically(path, large);
    assert.deepEqual(await Deno.readFile(path), large);
    assert.equal(((await Deno.stat(path)).mode ?? 0) & 0o777, 0o600);
    await writeFileAtomically(path, new Uint8Array(0));
    assert.deepEqual(await namesIn(folder), ["state.json"]);
  });
});

Deno.test("writeFileAtomically() leaves the old file and no other behind when it fails", async () => {
  await inFolder(async (folder) => {
    // A folder cannot be replaced by a file: the rename fails after the temporary was written.
    const path = join(folder, "taken");
    await Deno.mkdir(path);
    await assert.rejects(writeFileAtomically(path, Uint8Array.of(1)));
    assert.deepEqual(await namesIn(folder), ["taken"]);
    await assert.rejects(writeFileAtomically(join(folder, "missing", "x"), Uint8Array.of(1)), Deno.errors.NotFound);
  });
});

Deno.test("writeFileAtomically() leaves one whole version when many write at once", async () => {
  await inFolder(async (folder) => {
    const path = join(folder, "state");
    const versions = Array.from({ length: 16 }, (_, at) => new Uint8Array(50_000).fill(at));
    await Promise.all(versions.map((version) => writeFileAtomically(path, version)));
    const bytes = await Deno.readFile(path);
    assert.equal(bytes.length, 50_000);
    assert.equal(new Set(bytes).size, 1);
    assert.deepEqual(await namesIn(folder), ["state"]);
  });
});

Deno.test("writeFileAtomically() leaves one whole version when its process is killed while it writes", async () => {
  await inFolder(async (folder) => {
    const path = join(folder, "state");
    const script = join(folder, "writer.ts");
    await Deno.writeTextFile(
      script,
      `import { writeFileAtomically } from ${JSON.stringify(import.meta.resolve("./atomic_file.ts"))};
      for (let round = 0; ; round++) {
        await writeFileAtomically(${JSON.stringify(path)}, new Uint8Array(400_000).fill(round % 256));
        if (round === 3) console.log("writing");
      }`,
    );
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-config", "--no-check", script],
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    const reader = child.stdout.getReader();
    const { value } = await reader.read();
    assert.match(new TextDecoder().decode(value), /writing/);
    child.kill("SIGKILL");
    await reader.cancel();
    await child.status;
    const bytes = await Deno.readFile(path);
    assert.equal(bytes.length, 400_000);
    assert.equal(new Set(bytes).size, 1);
  });
});

Deno.test("removeStaleTemporaries() removes only temporaries and only when they are over an hour old", async () => {
  await inFolder(async (folder) => {
    const temporary = `.state.${crypto.randomUUID()}.tmp`;
    const path = join(folder, temporary);
    await Promise.all(
      [temporary, "state", ".hidden", ".x.tmp"].map((name) => Deno.writeTextFile(join(folder, name), "")),
    );
    const written = (await Deno.stat(path)).mtime?.getTime() ?? 0;
    await removeStaleTemporaries(folder, unixMs(Math.floor(written)));
    assert.ok((await namesIn(folder)).includes(temporary));
    await removeStaleTemporaries(folder, unixMs(Math.ceil(written) + STALE_TEMPORARY_MS + 1));
    assert.deepEqual(await namesIn(folder), [".hidden", ".x.tmp", "state"]);
  });
});
