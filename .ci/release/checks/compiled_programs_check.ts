import assert from "node:assert/strict";
import { Fleet } from "../../../tests/harness/fleet.ts";
import { sha256Of } from "../checksums.ts";
import { RELEASE_PROGRAMS } from "../release_program.ts";
import { CompiledPrograms } from "./compiled_programs.ts";
import { UNTESTED_DENO_VERSION } from "./untested_runtime.ts";

const programs = await CompiledPrograms.make();

async function withStateRoot(work: (env: Readonly<Record<string, string>>) => Promise<void>): Promise<void> {
  const stateRoot = await Deno.makeTempDir({ prefix: "palyra-" });
  try {
    await work({ PALYRA_STATE_ROOT: stateRoot });
  } finally {
    await Deno.remove(stateRoot, { recursive: true });
  }
}

Deno.test("two builds of the same sources, staged in different places, give the same bytes", async () => {
  const digests = (build: "as-released" | "again") =>
    Promise.all(RELEASE_PROGRAMS.map(({ name }) => sha256Of(programs.path(name, build))));
  assert.deepEqual(await digests("as-released"), await digests("again"));
});

Deno.test("every compiled program refuses a Deno that it is not tested on", async () => {
  for (const { name } of RELEASE_PROGRAMS) {
    // deno-lint-ignore no-await-in-loop -- two processors
    const { code, stderr } = await programs.run(name, ["--version"], {}, "as-released");
    assert.equal(code, 7, stderr);
    assert.match(stderr, /\[runtime_unsupported\]/);
  }
});

Deno.test("a compiled daemon does not serve on a Deno whose gRPC it cannot trust, not even without its checks", async () => {
  await withStateRoot(async (env) => {
    const refused = await programs.run("palyrad", ["run", "--port", "0", "--json"], env, "as-released");
    assert.equal(refused.code, 7, refused.stderr);
    const failed = await programs.run("palyrad", ["run", "--port", "0", "--no-enrolment", "--json"], env);
    assert.notEqual(failed.code, 0);
    assert.equal(failed.stdout, "", "it never says that it is ready");
  });
});

Deno.test("compiled programs tell their version and their help", async () => {
  for (const { name, bundle } of RELEASE_PROGRAMS) {
    // deno-lint-ignore no-await-in-loop -- two processors
    const version = await programs.run(name, ["--version", "--json"], {});
    const told = JSON.parse(version.stdout);
    assert.deepEqual([told.program, told.deno, told.compiled], [bundle, UNTESTED_DENO_VERSION, true]);
    // deno-lint-ignore no-await-in-loop -- two processors
    const help = await programs.run(name, ["--help"], {});
    assert.equal(help.code, 0, help.stderr);
    assert.match(help.stdout, /^Usage: /);
  }
});

Deno.test("a compiled daemon makes its state and shows its settings", async () => {
  await withStateRoot(async (env) => {
    const initialised = await programs.run("palyrad", ["init", "--json"], env);
    assert.equal(initialised.code, 0, initialised.stderr);
    const shown = await programs.run("palyrad", ["config", "show", "--json"], { ...env, PALYRA_NODE_RPC_PORT: "7999" });
    assert.equal(shown.code, 0, shown.stderr);
    assert.match(shown.stdout, /7999/);
  });
});

Deno.test("what is baked in decides what a compiled node offers", async () => {
  await withStateRoot(async (env) => {
    const reasonOf = async (program: "palyra-node" | "palyra-node-headless"): Promise<string> => {
      const { stdout, stderr } = await programs.run(program, ["capabilities"], env);
      assert.match(stdout, /^echo +yes/m, stderr);
      return stdout.split("\n").find((line) => line.startsWith("desktop.open_url: ")) ?? "";
    };
    assert.match(
      await reasonOf("palyra-node-headless"),
      /not permitted on this node.*--allow-run=\/usr\/bin\/xdg-open/,
    );
    assert.doesNotMatch(await reasonOf("palyra-node"), /not permitted/);
  });
});

Deno.test("a compiled node serves a daemon over QUIC with its certificate, and stops on SIGTERM", async () => {
  await using fleet = await Fleet.create();
  await fleet.startDaemon();
  await fleet.pair("laptop");
  const child = programs.start("palyra-node", ["run", "--transport", "quic"], {
    PALYRA_STATE_ROOT: fleet.nodeRoot("laptop"),
  });
  const output = child.output();
  try {
    await fleet.daemon.line((line) => line.includes("Node connected.") && line.includes('"transport":"quic"'));
    const echoed = await fleet.palyrad("nodes", "invoke", "laptop", "echo", "--input-json", '"compiled"');
    assert.equal(echoed.output.echo, "compiled");
    const health = await fleet.palyrad("nodes", "invoke", "laptop", "system.health");
    assert.equal(typeof health.output.hostname, "string");
  } finally {
    child.kill("SIGTERM");
  }
  const { code, stderr } = await output;
  assert.equal(code, 0, new TextDecoder().decode(stderr));
});

Deno.test.afterAll(() => programs[Symbol.asyncDispose]());
