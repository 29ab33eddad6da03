import assert from "node:assert/strict";
import { permissionFlags, RUNTIME_FLAGS } from "./permission_list.ts";
import { RELEASE_PROGRAMS } from "./release_program.ts";
import { RELEASE_TARGETS, releaseTarget } from "./release_target.ts";

const flagsOf = (...[program, target]: [Parameters<typeof permissionFlags>[0], string]) =>
  permissionFlags(program, releaseTarget(target), { addonPath: "/lib/addon.node" });

Deno.test("permissionFlags() lists what each program may start, and nothing for the headless node", () => {
  const startable = (...how: Parameters<typeof flagsOf>) =>
    flagsOf(...how).find((flag) => flag.startsWith("--allow-run"));
  assert.equal(startable("palyrad", "linux-x64"), "--allow-run=/usr/bin/systemctl,/bin/systemctl,/bin/kill");
  assert.equal(
    startable("palyra-node", "linux-x64"),
    "--allow-run=/usr/bin/xdg-open,/usr/bin/systemctl,/bin/systemctl,/bin/kill",
  );
  assert.equal(
    startable("palyra-node", "macos-arm64"),
    "--allow-run=/usr/bin/open,/bin/launchctl,/usr/bin/id,/bin/kill",
  );
  for (const { name } of RELEASE_TARGETS) assert.equal(startable("palyra-node-headless", name), undefined);
});

Deno.test("permissionFlags() grants no variable, system part, program or library without a list", () => {
  for (const { name: program } of RELEASE_PROGRAMS) {
    for (const { name: target } of RELEASE_TARGETS) {
      const bare = flagsOf(program, target).filter((flag) => !flag.includes("="));
      assert.deepEqual(bare, ["--allow-read", "--allow-write", "--allow-net", "--deny-import"]);
    }
  }
});

/** What these system parts are good for, asked of a Deno that has a program's flags. */
async function tells(program: Parameters<typeof permissionFlags>[0], questions: readonly string[]): Promise<string[]> {
  const code = `import { statfs } from "node:fs/promises";
    for (const ask of [${questions.map((question) => `() => ${question}`)}]) {
      try { await ask(); } catch (error) { console.log(error.message); }
    }`;
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--quiet",
      ...RUNTIME_FLAGS,
      ...permissionFlags(program, releaseTarget("linux-x64"), { addonPath: undefined }),
      "-",
    ],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(code));
  await writer.close();
  const { success, stdout } = await child.output();
  assert.ok(success);
  return new TextDecoder().decode(stdout).split("\n").filter((line) => line !== "");
}

Deno.test("permissionFlags() lets each program ask the system what it makes use of", async () => {
  // How much room there is, how long the machine slept, and whose service it is.
  assert.deepEqual(await tells("palyrad", [`statfs("/")`, "Deno.osUptime()", "Deno.uid()"]), []);
  const health = [
    "Deno.hostname()",
    "Deno.loadavg()",
    "Deno.osRelease()",
    "Deno.osUptime()",
    "Deno.systemMemoryInfo()",
  ];
  assert.deepEqual(await tells("palyra-node", [...health, "Deno.uid()"]), []);
  assert.equal((await tells("palyrad", ["Deno.hostname()"])).length, 1, "and nothing else");
});

Deno.test("permissionFlags() lets no library be loaded where there is no addon", () => {
  const flags = permissionFlags("palyrad", releaseTarget("macos-x64"), { addonPath: undefined });
  assert.ok(!flags.some((flag) => flag.includes("ffi")), flags.join(" "));
});

Deno.test("permissionFlags() names every program by an absolute path, without which a PATH would decide", () => {
  for (const { name: target } of RELEASE_TARGETS) {
    const list = flagsOf("palyra-node", target).find((flag) => flag.startsWith("--allow-run="));
    for (const command of list?.slice("--allow-run=".length).split(",") ?? []) {
      assert.match(command, /^(?:\/|[A-Z]:\\)/);
    }
  }
});

Deno.test("RUNTIME_FLAGS ask nobody and leave no caches", () => {
  assert.ok(RUNTIME_FLAGS.includes("--no-prompt") && RUNTIME_FLAGS.includes("--no-code-cache"));
});
