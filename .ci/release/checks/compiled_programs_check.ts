/**
 * What the compiled programs do on their own. `PALYRA_TEST_COMPILED` names the folder with them.
 *
 * @module
 */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { sha256Of } from "../checksums.ts";
import { RELEASE_PROGRAMS } from "../release_program.ts";
import { CompiledPrograms } from "./compiled_programs.ts";
import { UNTESTED_DENO_VERSION } from "./untested_runtime.ts";

const programs = CompiledPrograms.here();

const OWNERS_EXAMPLES = fileURLToPath(new URL("../../../node_host/capabilities/owner/examples", import.meta.url));

async function withStateRoot(work: (env: Readonly<Record<string, string>>) => Promise<void>): Promise<void> {
  const stateRoot = await Deno.makeTempDir({ prefix: "palyra-" });
  try {
    await work({ PALYRA_STATE_ROOT: stateRoot });
  } finally {
    await Deno.remove(stateRoot, { recursive: true });
  }
}

/** A TCP port of this machine that nobody listens on. */
function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
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

Deno.test("a compiled daemon does not serve gRPC where its self-check fails, and nothing listens then", async () => {
  await withStateRoot(async (env) => {
    const [port, enrolmentPort] = [freePort(), freePort()];
    const args = ["run", "--port", String(port), "--enrolment-port", String(enrolmentPort), "--json"];
    const refused = await programs.run("palyrad", args, env, "as-released");
    assert.deepEqual([refused.code, JSON.parse(refused.stderr).error.code], [7, "runtime_unsupported"]);

    // This Deno's TLS server asks no client for a certificate, which the self-check finds.
    const { code, stdout, stderr } = await programs.run("palyrad", args, { ...env, PALYRA_LOG_LEVEL: "error" });
    assert.equal(code, 7, stderr);
    const { error } = JSON.parse(stderr.trim().split("\n").at(-1) ?? "");
    assert.equal(error.code, "self_check_failed");
    assert.match(error.message, /asked its self-check for no certificate/);
    assert.equal(stdout, "", "it never says that it is ready");
    for (const closed of [port, enrolmentPort]) {
      // deno-lint-ignore no-await-in-loop -- one port after the other
      await assert.rejects(Deno.connect({ hostname: "127.0.0.1", port: closed }), Deno.errors.ConnectionRefused);
    }
  });
});

Deno.test("compiled programs tell their version, and their help in short and in full", async () => {
  for (const { name, bundle } of RELEASE_PROGRAMS) {
    // deno-lint-ignore no-await-in-loop -- two processors
    const [version, help, page] = await Promise.all([
      programs.run(name, ["--version", "--json"], {}),
      programs.run(name, ["--help"], {}),
      programs.run(name, ["help", "run"], {}),
    ]);
    const told = JSON.parse(version.stdout);
    assert.deepEqual([told.program, told.deno, told.compiled], [bundle, UNTESTED_DENO_VERSION, true]);
    assert.equal(help.code, 0, help.stderr);
    assert.match(help.stdout, /^Usage: /);
    assert.equal(page.code, 0, page.stderr);
    assert.ok(page.stdout.length > help.stdout.length / 2 && /state-root/.test(page.stdout), page.stdout);
  }
});

Deno.test("compiled programs complete their commands in every shell", async () => {
  for (const program of ["palyrad", "palyra-node"] as const) {
    for (const shell of ["bash", "zsh", "fish", "powershell"]) {
      // deno-lint-ignore no-await-in-loop -- two processors
      const { code, stdout, stderr } = await programs.run(program, ["completions", shell], {});
      assert.equal(code, 0, stderr);
      assert.ok(stdout.includes(program) && stdout.includes("uninstall"), stdout);
      // deno-lint-ignore no-await-in-loop -- two processors
      if (shell === "bash") await assertReadable(stdout);
    }
  }
});

/** Has bash read a script without running it. */
async function assertReadable(script: string): Promise<void> {
  const path = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(path, script);
    const { success, stderr } = await new Deno.Command("bash", { args: ["-n", path] }).output();
    assert.ok(success, new TextDecoder().decode(stderr));
  } finally {
    await Deno.remove(path);
  }
}

Deno.test("a compiled daemon makes its state, shows its settings, and says that it does not run", async () => {
  await withStateRoot(async (env) => {
    const initialised = await programs.run("palyrad", ["init", "--json"], env);
    assert.equal(initialised.code, 0, initialised.stderr);
    const again = await programs.run("palyrad", ["init", "--json"], env);
    assert.equal(again.code, 0, again.stderr);
    const shown = await programs.run("palyrad", ["config", "show", "--json"], { ...env, PALYRA_NODE_RPC_PORT: "7999" });
    assert.equal(shown.code, 0, shown.stderr);
    assert.match(shown.stdout, /7999/);
    const status = await programs.run("palyrad", ["status", "--json"], env);
    assert.equal(status.code, 4, status.stderr);
    const stopped = await programs.run("palyrad", ["stop", "--json"], env);
    assert.deepEqual([stopped.code, JSON.parse(stopped.stdout).was_running], [0, false], stopped.stderr);
  });
});

Deno.test("a compiled node says that it is not paired, and what it is configured to do", async () => {
  await withStateRoot(async (env) => {
    const status = await programs.run("palyra-node", ["status", "--json"], env);
    assert.deepEqual([status.code, JSON.parse(status.stdout).paired], [7, false], status.stderr);
    const run = await programs.run("palyra-node", ["run", "--json"], env);
    assert.deepEqual([run.code, JSON.parse(run.stderr).error.code], [7, "not_paired"], run.stderr);
    const shown = await programs.run("palyra-node", ["config", "show", "--json"], env);
    assert.equal(shown.code, 0, shown.stderr);
  });
});

Deno.test("compiled programs examine themselves, and find what this Deno lacks", async () => {
  await withStateRoot(async (env) => {
    const outcomes = async (program: "palyrad" | "palyra-node") => {
      const { code, stdout, stderr } = await programs.run(program, ["doctor", "--json"], env);
      assert.equal(code, 7, stderr);
      const checks: { name: string; outcome: string }[] = JSON.parse(stdout).checks;
      return Object.fromEntries(checks.map(({ name, outcome }) => [name, outcome]));
    };
    const { pairing, permissions, quic_library: nodeLibrary } = await outcomes("palyra-node");
    assert.deepEqual([pairing, permissions, nodeLibrary], ["failed", "ok", "ok"]);
    const { self_check: selfCheck, quic_library: daemonLibrary } = await outcomes("palyrad");
    assert.deepEqual([selfCheck, daemonLibrary], ["failed", "ok"]);
  });
});

Deno.test("a compiled node, which has no Deno to start, says that it runs no capabilities of its owner's own", async () => {
  await withStateRoot(async (env) => {
    const args = ["capabilities", "--capabilities", OWNERS_EXAMPLES];
    const { code, stdout, stderr } = await programs.run("palyra-node", args, env);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^disk_usage.*package/m);
  });
});

Deno.test("what is baked in decides what a compiled node offers, and is what it says it was granted", async () => {
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

    const openerRow = async (program: "palyra-node" | "palyra-node-headless") => {
      const { stdout, stderr } = await programs.run(program, ["permissions", "--json"], env);
      const rows: { used_by: string | null; flag: string; state: string; source: string | null }[] =
        JSON.parse(stdout || stderr).permissions;
      const row = rows.find(({ used_by: user, flag }) =>
        user === "desktop.open_url" && flag.startsWith("--allow-run=")
      );
      return [row?.state, row?.source];
    };
    assert.deepEqual(await openerRow("palyra-node"), ["granted", "built_in"]);
    assert.deepEqual(await openerRow("palyra-node-headless"), ["missing", null]);
  });
});
