import assert from "node:assert/strict";
import { join } from "node:path";
import { prepareStateFolder, stateFolder, stateRoot } from "./state_folder.ts";
import { testdataArguments } from "./testdata_program.ts";

const onUnix = { ignore: Deno.build.os === "windows" };

const environment = (variables: Record<string, string>) => new Map(Object.entries(variables));

Deno.test("stateRoot() takes the flag, then the variable, then the platform's convention", onUnix, () => {
  const home = { HOME: "/home/x" };
  const expected: readonly [Parameters<typeof stateRoot>[0], string][] = [
    [{ flag: "/flag", environment: environment({ PALYRA_STATE_ROOT: "/variable" }) }, "/flag"],
    [{ flag: "state", environment: environment({}) }, join(Deno.cwd(), "state")],
    [{ environment: environment({ PALYRA_STATE_ROOT: "/variable", ...home }) }, "/variable"],
    [
      { environment: environment({ PALYRA_STATE_ROOT: "", ...home }), platform: "linux" },
      "/home/x/.local/state/palyra",
    ],
    [{ environment: environment({ XDG_STATE_HOME: "/xdg", ...home }), platform: "linux" }, "/xdg/palyra"],
    [
      { environment: environment({ XDG_STATE_HOME: "xdg", ...home }), platform: "linux" },
      "/home/x/.local/state/palyra",
    ],
    [{ environment: environment(home), platform: "darwin" }, "/home/x/Library/Application Support/Palyra"],
    [{ environment: environment({ LOCALAPPDATA: "/local" }), platform: "windows" }, "/local/Palyra"],
  ];
  for (const [sources, root] of expected) assert.equal(stateRoot(sources), root);
  assert.equal(stateFolder("node-host", { flag: "/s" }), "/s/node-host");
});

Deno.test("stateRoot() says how to name a folder when there is no home", () => {
  for (const platform of ["linux", "darwin", "windows"] as const) {
    assert.throws(() => stateRoot({ environment: environment({}), platform }), {
      code: "invalid_config",
      message: /--state-root/,
    });
  }
});

async function withRoot(body: (root: string) => Promise<void>): Promise<void> {
  const root = await Deno.makeTempDir();
  try {
    await body(root);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

async function modeOf(path: string): Promise<number> {
  return ((await Deno.stat(path)).mode ?? 0) & 0o777;
}

Deno.test("prepareStateFolder() creates the folder and its parents for the owner alone", onUnix, async () => {
  await withRoot(async (root) => {
    const folder = join(root, "state", "palyrad");
    await prepareStateFolder(folder);
    assert.equal(await modeOf(folder), 0o700);
    assert.equal(await modeOf(join(root, "state")), 0o700);
    assert.deepEqual(await Array.fromAsync(Deno.readDir(folder)), []);
    await prepareStateFolder(folder);
  });
});

Deno.test("prepareStateFolder() closes a folder that is open to others", onUnix, async () => {
  await withRoot(async (root) => {
    await Deno.chmod(root, 0o755);
    await prepareStateFolder(root);
    assert.equal(await modeOf(root), 0o700);
  });
});

Deno.test("prepareStateFolder() refuses a file in the folder's place", async () => {
  await withRoot(async (root) => {
    await Deno.writeTextFile(join(root, "palyrad"), "");
    for (const folder of [join(root, "palyrad"), join(root, "palyrad", "deeper")]) {
      // deno-lint-ignore no-await-in-loop -- one after the other on the same folder
      await assert.rejects(prepareStateFolder(folder), { code: "invalid_config", message: /a file is in its place/ });
    }
  });
});

Deno.test("prepareStateFolder() refuses a folder that cannot be written, with the cure", onUnix, async (test) => {
  await withRoot(async (root) => {
    // Rights do not bind root, but an immutable folder does.
    const superuser = Deno.uid() === 0;
    const lock = superuser ? ["chattr", "+i", root] : ["chmod", "0500", root];
    const unlock = superuser ? ["chattr", "-i", root] : ["chmod", "0700", root];
    await test.step({
      name: "a folder made unwritable",
      ignore: !await succeeds(lock),
      fn: async () => {
        try {
          await assert.rejects(prepareStateFolder(root), { code: "state_read_only", message: /--state-root/ });
          await assert.rejects(prepareStateFolder(join(root, "new")), { code: "state_read_only" });
        } finally {
          await succeeds(unlock);
        }
      },
    });
  });
});

Deno.test(
  "prepareStateFolder() refuses a read-only file system and one whose rights it cannot change",
  onUnix,
  async (test) => {
    await withRoot(async (root) => {
      const run = (mode: string) =>
        output([
          "unshare",
          "--mount",
          "sh",
          "-c",
          'mount -t tmpfs -o "ro,mode=$1" none "$2" && shift 2 && exec "$@"',
          "sh",
          mode,
          root,
          Deno.execPath(),
          ...testdataArguments("prepare_state.ts", [root]),
        ]);
      await test.step({
        name: "a disk mounted read-only",
        ignore: Deno.build.os !== "linux" ||
          !await succeeds(["unshare", "--mount", "mount", "-t", "tmpfs", "none", root]),
        fn: async () => {
          assert.equal(await run("0700"), "state_read_only\n");
          assert.equal(await run("0755"), "state_not_private\n");
        },
      });
    });
  },
);

Deno.test(
  "prepareStateFolder() names the missing permission",
  { permissions: { read: true, write: false } },
  async () => {
    await assert.rejects(prepareStateFolder("/palyra-state"), {
      code: "permission_missing",
      message: /--allow-write=\/palyra-state/,
    });
  },
);

async function succeeds(command: readonly string[]): Promise<boolean> {
  // A machine without the program counts as one where it does not work.
  return await run(command).then(({ success }) => success, () => false);
}

async function output(command: readonly string[]): Promise<string> {
  return new TextDecoder().decode((await run(command)).stdout);
}

async function run([program = "", ...args]: readonly string[]): Promise<Deno.CommandOutput> {
  return await new Deno.Command(program, { args, stdout: "piped", stderr: "null" }).output();
}
