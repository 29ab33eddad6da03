/**
 * What a package must show beyond the tests that it shares with the sources. `PALYRA_TEST_PROGRAMS` names its folder.
 *
 * @module
 */
import assert from "node:assert/strict";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Fleet } from "../../../tests/harness/fleet.ts";
import { BUILT_PROGRAMS_VARIABLE } from "../../../tests/harness/program.ts";
import { sha256Of } from "../checksums.ts";

const OWNERS_EXAMPLES = fileURLToPath(new URL("../../../node_host/capabilities/owner/examples", import.meta.url));
const folder = Deno.env.get(BUILT_PROGRAMS_VARIABLE) ?? "";

async function output(executable: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const command = new Deno.Command(executable, { args: [...args], env: { ...env }, clearEnv: true, stdin: "null" });
  const { code, stdout, stderr } = await command.output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

/** How a machine is paired. */
const PAIRINGS = {
  PIN: async (fleet: Fleet, enrolment: string, name: string) => {
    const { secret_text: pin } = await fleet.palyrad("pairing", "code", "--pin", "--approve");
    return await fleet.node(name, ["pair", "--daemon", enrolment, "--name", name], { input: `${pin}\n` });
  },
  QR: async (fleet: Fleet, _enrolment: string, name: string) => {
    const { secret_text: token } = await fleet.palyrad("pairing", "code", "--approve");
    return await fleet.node(name, ["pair", "-", "--name", name], { input: `${token}\n` });
  },
};

for (const pairing of ["PIN", "QR"] as const) {
  for (const transport of ["grpc", "quic"] as const) {
    Deno.test(`a package pairs by ${pairing}, serves over ${transport} and stops by signal, with an empty environment`, async () => {
      await using fleet = await Fleet.create();
      const { enrolment } = await fleet.startDaemon();
      const paired = await PAIRINGS[pairing](fleet, enrolment, "server");
      assert.equal(paired.code, 0, paired.stderr);
      const host = await fleet.connect("server", ["--transport", transport]);
      const { nodes: [node] } = await fleet.palyrad("nodes", "list");
      assert.equal(node.transport, transport);
      const echoed = await fleet.palyrad("nodes", "invoke", "server", "echo", "--input-json", '"packaged"');
      assert.equal(echoed.output.echo, "packaged");
      const health = await fleet.palyrad("nodes", "invoke", "server", "system.health");
      assert.equal(typeof health.output.hostname, "string");
      assert.equal((await host.stop()).code, 0);
      assert.equal((await fleet.daemon.stop()).code, 0);
    });
  }
}

Deno.test("two builds of the same sources, in different places, give the same package", async () => {
  const archive = `${basename(folder)}.tar.gz`;
  const [first, again] = await Promise.all(
    [join(folder, "..", archive), join(folder, "..", "again", archive)].map((path) => sha256Of(path)),
  );
  assert.equal(first, again);
});

Deno.test("a package's daemon is stopped by a command, without a PATH or a home, and says so when none runs", async () => {
  await using fleet = await Fleet.create();
  await fleet.startDaemon();
  assert.equal((await fleet.palyrad("stop")).pid, fleet.daemon.pid);
  assert.equal((await fleet.daemon.ended).code, 0);
  assert.equal((await fleet.palyrad("stop")).was_running, false);
});

Deno.test("a package's headless node, which may start nothing, says how to stop what runs", async () => {
  await using fleet = await Fleet.create();
  await fleet.startDaemon();
  await fleet.pair("server");
  const host = await fleet.connect("server");
  const env = { PALYRA_STATE_ROOT: fleet.nodeRoot("server") };
  const { code, stderr } = await output(join(folder, "palyra-node-headless"), ["stop"], env);
  assert.equal(code, 6, stderr);
  assert.ok(stderr.includes(`\`kill ${host.pid}\` stops it`), stderr);
});

Deno.test("a package's programs examine themselves, and find nothing that failed", async () => {
  await using fleet = await Fleet.create();
  await fleet.startDaemon();
  await fleet.pair("server");
  await fleet.connect("server");
  const ofDaemon = await fleet.palyrad("doctor");
  const ofNode = await fleet.node("server", ["doctor", "--json"]);
  assert.equal(ofNode.code, 0, ofNode.stdout);
  const outcomes = (report: { checks: { name: string; outcome: string }[] }) =>
    Object.fromEntries(report.checks.map(({ name, outcome }) => [name, outcome]));
  const { self_check: selfCheck, disk_space: diskSpace, quic_library: library } = outcomes(ofDaemon);
  assert.deepEqual([selfCheck, diskSpace === "skipped", library], ["ok", false, "ok"]);
  const { permissions, quic, admission } = outcomes(JSON.parse(ofNode.stdout));
  assert.deepEqual([permissions, quic, admission], ["ok", "ok", "ok"]);
});

Deno.test("a package's node runs a capability of its owner's own, and its headless one says that it may not", async () => {
  await using fleet = await Fleet.create();
  await fleet.startDaemon();
  const config = join(fleet.nodeRoot("server"), "node-host", "palyra.toml");
  await Deno.mkdir(dirname(config), { recursive: true, mode: 0o700 });
  const settings = `capabilities_folder = "${OWNERS_EXAMPLES}"\n` +
    '[capabilities."disk.usage"]\npermissions = ["read=/usr", "sys=statfs"]\n';
  await Deno.writeTextFile(config, settings, { mode: 0o600 });
  // What it offers then is what it is granted.
  await fleet.pair("server");
  await fleet.connect("server");
  const { output: usage } = await fleet.palyrad("nodes", "invoke", "server", "disk.usage");
  assert.ok(usage.available_bytes > 0, JSON.stringify(usage));

  const headless = await output(join(folder, "palyra-node-headless"), ["capabilities"], {
    PALYRA_STATE_ROOT: fleet.nodeRoot("server"),
  });
  assert.match(headless.stdout, /^disk.*--allow-run=/m, headless.stderr);
});

Deno.test("a package's node may start no other program than the platform's opener, whatever is configured", async () => {
  await using fleet = await Fleet.create();
  await fleet.startDaemon();
  await fleet.pair("laptop");
  const opener = join(fleet.nodeRoot("laptop"), "opener.sh");
  await Deno.writeTextFile(opener, "#!/bin/sh\n", { mode: 0o700 });
  const settings = `opener = "${opener}"\n[capabilities."desktop.open_url"]\nmediation = "allow"\n`;
  const config = join(fleet.nodeRoot("laptop"), "node-host", "palyra.toml");
  await Deno.writeTextFile(config, settings, { mode: 0o600 });
  await fleet.connect("laptop");
  const input = ["--input-json", '{"url":"https://example.com/"}'];
  const refused = await fleet.tryPalyrad("nodes", "invoke", "laptop", "desktop.open_url", ...input);
  assert.equal(refused.code, 6, refused.stderr);
  assert.ok(refused.stderr.includes(`--allow-run=${opener}`), refused.stderr);
});

Deno.test("a package's headless node may start nothing at all", async () => {
  const stateRoot = await Deno.makeTempDir({ prefix: "palyra-" });
  try {
    const script = join(folder, "palyra-node-headless");
    assert.doesNotMatch(await Deno.readTextFile(script), /--allow-run|--allow-all/);
    const { stdout, stderr } = await output(script, ["capabilities"], { PALYRA_STATE_ROOT: stateRoot });
    assert.match(stdout, /^echo +yes/m, stderr);
    assert.match(stdout, /^desktop\.open_url: .*not permitted on this node/m);
  } finally {
    await Deno.remove(stateRoot, { recursive: true });
  }
});

Deno.test("a package's program starts by a symbolic link, from a folder with spaces, and says why not below a comma", async () => {
  const place = await Deno.makeTempDir({ prefix: "palyra-" });
  try {
    await Deno.symlink(join(folder, "palyrad"), join(place, "absolute"));
    await Deno.symlink("absolute", join(place, "relative"));
    assert.equal((await output(join(place, "relative"), ["--version"])).code, 0);

    await Deno.mkdir(join(place, "with a space"));
    await Deno.mkdir(join(place, "with,comma"));
    for (const [name, expected] of [["with a space", 0], ["with,comma", 2]] as const) {
      const copy = join(place, name);
      // deno-lint-ignore no-await-in-loop -- one folder after the other
      await Deno.copyFile(join(folder, "palyrad"), join(copy, "palyrad"));
      // deno-lint-ignore no-await-in-loop -- one folder after the other
      await Deno.symlink(join(folder, "lib"), join(copy, "lib"));
      // deno-lint-ignore no-await-in-loop -- one folder after the other
      const { code, stderr } = await output(join(copy, "palyrad"), ["--version"]);
      assert.equal(code, expected, stderr);
    }
  } finally {
    await Deno.remove(place, { recursive: true });
  }
});
