/**
 * What a package must show beyond the tests that it shares with the sources. `PALYRA_TEST_PROGRAMS` names its folder.
 *
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { Fleet } from "../../../tests/harness/fleet.ts";
import { BUILT_PROGRAMS_VARIABLE } from "../../../tests/harness/program.ts";

const folder = Deno.env.get(BUILT_PROGRAMS_VARIABLE) ?? "";

async function output(executable: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const command = new Deno.Command(executable, { args: [...args], env: { ...env }, clearEnv: true, stdin: "null" });
  const { code, stdout, stderr } = await command.output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

for (const transport of ["grpc", "quic"] as const) {
  Deno.test(`a package pairs by PIN, serves over ${transport} and stops by signal, with an empty environment`, async () => {
    await using fleet = await Fleet.create();
    const { enrolment } = await fleet.startDaemon();
    const { secret_text: pin } = await fleet.palyrad("pairing", "code", "--pin", "--approve");
    const paired = await fleet.node("server", ["pair", "--daemon", enrolment, "--name", "server"], {
      input: `${pin}\n`,
    });
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
