import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { Fleet } from "./harness/fleet.ts";
import { runProgram, TESTS_BUILT_PROGRAMS } from "./harness/program.ts";

const FREE_PORTS = ["--port", "0", "--enrolment-port", "0"];

interface Refusal {
  readonly code: string;
  readonly message: string;
}

/** Starts a daemon that must refuse, and returns the refusal it reports. */
async function refusalOf(
  stateRoot: string,
  exitCode: number,
  args: readonly string[] = FREE_PORTS,
): Promise<Refusal> {
  const { code, stdout, stderr } = await runProgram("palyrad", ["run", "--json", ...args], { stateRoot });
  assert.equal(code, exitCode, stdout + stderr);
  const line = stderr.split("\n").find((each) => each.startsWith('{"version":1,"error"'));
  assert.ok(line, stderr);
  return JSON.parse(line).error;
}

/** A state root in which a daemon has run, with something in its folder changed. */
async function changed(change: (folder: string) => Promise<void> | void, check: (root: string) => Promise<void>) {
  const root = await Deno.makeTempDir({ prefix: "palyra-" });
  try {
    const made = await runProgram("palyrad", ["init"], { stateRoot: root });
    assert.equal(made.code, 0, made.stderr);
    await change(join(root, "palyrad"));
    await check(root);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

Deno.test("palyrad refuses a state folder that another daemon uses, and that one goes on", async () => {
  await using fleet = await Fleet.create();
  await fleet.startDaemon();
  const refusal = await refusalOf(fleet.daemonRoot, 7);
  assert.equal(refusal.code, "state_in_use");
  assert.ok(refusal.message.includes(String(fleet.daemon.pid)), refusal.message);
  assert.equal((await fleet.palyrad("status")).devices, 1);
});

Deno.test("palyrad starts again at once on the folder of a daemon that was killed", async () => {
  await using fleet = await Fleet.create();
  await fleet.startDaemon();
  fleet.daemon.kill("SIGKILL");
  await fleet.daemon.ended;
  await fleet.startDaemon();
  assert.equal((await fleet.palyrad("status")).devices, 1);
});

Deno.test("palyrad refuses a port in use and names it and the cure", async () => {
  const root = await Deno.makeTempDir({ prefix: "palyra-" });
  const taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  try {
    const { port } = taken.addr;
    const refusal = await refusalOf(root, 4, ["--port", String(port), "--enrolment-port", "0"]);
    assert.equal(refusal.code, "listen_failed");
    assert.ok(refusal.message.includes(String(port)), refusal.message);
  } finally {
    taken.close();
    await Deno.remove(root, { recursive: true });
  }
});

Deno.test("palyrad refuses a database of a newer schema and leaves it as it is", () =>
  changed((folder) => {
    const db = new DatabaseSync(join(folder, "palyrad.sqlite"));
    db.exec("PRAGMA user_version = 999");
    db.close();
  }, async (root) => {
    const file = join(root, "palyrad", "palyrad.sqlite");
    const before = await Deno.readFile(file);
    assert.equal((await refusalOf(root, 7)).code, "schema_too_new");
    assert.deepEqual(await Deno.readFile(file), before);
  }));

for (const file of ["palyrad.sqlite", "secrets/ca-key.pem", "secrets/ca-certificate.pem"]) {
  Deno.test(`palyrad refuses a damaged ${file}, names it, and does not overwrite it`, () =>
    changed(async (folder) => {
      await Deno.writeFile(join(folder, file), crypto.getRandomValues(new Uint8Array(4096)));
      await Deno.remove(join(folder, "palyrad.sqlite-wal")).catch(() => {});
    }, async (root) => {
      const path = join(root, "palyrad", file);
      const before = await Deno.readFile(path);
      const refusal = await refusalOf(root, 7);
      assert.equal(refusal.code, "state_damaged");
      assert.ok(refusal.message.includes(file.split("/").at(-1) ?? ""), refusal.message);
      assert.deepEqual(await Deno.readFile(path), before);
    }));
}

Deno.test("palyrad makes no new CA in place of one that is gone", () =>
  changed((folder) => Deno.remove(join(folder, "secrets"), { recursive: true }), async (root) => {
    const refusal = await refusalOf(root, 7);
    assert.equal(refusal.code, "state_damaged");
    assert.ok(refusal.message.includes("backup"), refusal.message);
    assert.deepEqual(await Array.fromAsync(Deno.readDir(join(root, "palyrad", "secrets"))), []);
  }));

Deno.test("palyrad refuses a private key that others may read", () =>
  changed((folder) => Deno.chmod(join(folder, "secrets/ca-key.pem"), 0o644), async (root) => {
    const refusal = await refusalOf(root, 7);
    assert.ok(refusal.message.includes("chmod 600"), refusal.message);
  }));

Deno.test({
  name: "palyrad refuses a state folder that cannot be written",
  // Nobody may make files in /sys, not even root, so this needs no second user.
  // Deno lets only programs with all permissions look there.
  ignore: Deno.build.os !== "linux" || TESTS_BUILT_PROGRAMS,
  fn: async () => {
    const refusal = await refusalOf("/sys/palyra", 7);
    assert.equal(refusal.code, "state_read_only");
    assert.ok(refusal.message.includes("--state-root"), refusal.message);
  },
});

const BAD_CONFIGS: [string, string, string][] = [
  ["an unknown key", "qeue.bound = 5\n", "queue.bound"],
  ["a bad value", 'node_rpc.port = "high"\n', "node_rpc.port"],
  ["no TOML", "node_rpc = [\n", "not valid TOML"],
  ["an address beyond this machine without leave", 'node_rpc.host = "0.0.0.0"\n', "allow_remote"],
  ["an address beyond this machine without a name", 'node_rpc.host = "0.0.0.0"\nallow_remote = true\n', "server name"],
];

for (const [what, toml, mention] of BAD_CONFIGS) {
  Deno.test(`palyrad refuses a configuration with ${what}`, async () => {
    const root = await Deno.makeTempDir({ prefix: "palyra-" });
    try {
      const file = join(root, "palyra.toml");
      await Deno.writeTextFile(file, toml);
      const refusal = await refusalOf(root, 2, ["--config", file, "--enrolment-port", "0"]);
      assert.equal(refusal.code, "invalid_config");
      assert.ok(refusal.message.includes(mention), refusal.message);
    } finally {
      await Deno.remove(root, { recursive: true });
    }
  });
}

Deno.test("palyrad stops cleanly on SIGTERM and SIGINT and leaves its folder ready for the next", async () => {
  await using fleet = await Fleet.create();
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    // deno-lint-ignore no-await-in-loop -- one daemon after the other on the same folder
    await fleet.startDaemon();
    fleet.daemon.kill(signal);
    // deno-lint-ignore no-await-in-loop -- one daemon after the other on the same folder
    assert.equal((await fleet.daemon.ended).code, 0);
  }
  const refused = await fleet.tryPalyrad("status");
  assert.equal(refused.code, 4);
  assert.ok(refused.stderr.includes("palyrad run"), refused.stderr);
});
