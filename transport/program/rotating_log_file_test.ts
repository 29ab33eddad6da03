import assert from "node:assert/strict";
import { join } from "node:path";
import { getLogger } from "@logtape/logtape";
import { configureLogging } from "./logging.ts";
import { RotatingLogFile } from "./rotating_log_file.ts";

async function withFolder(body: (folder: string) => Promise<void> | void): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const bytes = (text: string) => new TextEncoder().encode(text);

async function contents(folder: string): Promise<Record<string, string>> {
  const names = await Array.fromAsync(Deno.readDir(folder), ({ name }) => name);
  return Object.fromEntries(
    await Promise.all(names.sort().map(async (name) => [name, await Deno.readTextFile(join(folder, name))] as const)),
  );
}

Deno.test("RotatingLogFile keeps whole lines in at most so many files of at most so many bytes", async () => {
  await withFolder(async (folder) => {
    using file = new RotatingLogFile(join(folder, "p.log"), { maxBytes: 10, maxFiles: 3 });
    for (let line = 1; line <= 9; line++) file.writeSync(bytes(`l${line}\n`));
    assert.deepEqual(await contents(folder), {
      "p.log": "l7\nl8\nl9\n",
      "p.log.1": "l4\nl5\nl6\n",
      "p.log.2": "l1\nl2\nl3\n",
    });
    file.writeSync(bytes("l10\n"));
    assert.deepEqual(await contents(folder), {
      "p.log": "l10\n",
      "p.log.1": "l7\nl8\nl9\n",
      "p.log.2": "l4\nl5\nl6\n",
    });
    file.writeSync(bytes("longer than a file\n"));
    file.writeSync(bytes("l12\n"));
    assert.deepEqual(await contents(folder), {
      "p.log": "l12\n",
      "p.log.1": "longer than a file\n",
      "p.log.2": "l10\n",
    });
  });
});

Deno.test("RotatingLogFile goes on where the program before left off, and is for its owner only", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "logs", "p.log");
    {
      using file = new RotatingLogFile(path, { maxBytes: 10, maxFiles: 2 });
      file.writeSync(bytes("first\n"));
    }
    using file = new RotatingLogFile(path, { maxBytes: 10, maxFiles: 2 });
    file.writeSync(bytes("second\n"));
    assert.deepEqual(await contents(join(folder, "logs")), { "p.log": "second\n", "p.log.1": "first\n" });
    if (Deno.build.os === "windows") return;
    assert.equal(((await Deno.stat(path)).mode ?? 0) & 0o777, 0o600);
    assert.equal(((await Deno.stat(join(folder, "logs"))).mode ?? 0) & 0o777, 0o700);
  });
});

Deno.test("RotatingLogFile keeps its bound when a file cannot be put aside", async () => {
  await withFolder(async (folder) => {
    // A folder that is not empty cannot be replaced by a file.
    await Deno.mkdir(join(folder, "p.log.1", "in the way"), { recursive: true });
    using file = new RotatingLogFile(join(folder, "p.log"), { maxBytes: 10, maxFiles: 2 });
    for (let line = 1; line <= 4; line++) file.writeSync(bytes(`l${line}\n`));
    assert.equal(await Deno.readTextFile(join(folder, "p.log")), "l4\n");
  });
});

Deno.test("RotatingLogFile says what is wrong when nothing can be written there", async () => {
  await withFolder((folder) => {
    Deno.writeTextFileSync(join(folder, "file"), "");
    const path = join(folder, "file", "p.log");
    assert.throws(() => new RotatingLogFile(path), { code: "invalid_config", message: /p\.log.*log\.file/ });
  });
});

Deno.test("configureLogging() writes JSON lines into the file that is named", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "p.log");
    try {
      configureLogging({ file: path, level: "info" });
      getLogger(["palyra", "test"]).info("Hello {name}.", { name: "file" });
      const [line, ...rest] = (await Deno.readTextFile(path)).trimEnd().split("\n");
      assert.equal(JSON.parse(line ?? "").message, "Hello file.");
      assert.deepEqual(rest, []);
    } finally {
      configureLogging({ level: "fatal" });
    }
  });
});
