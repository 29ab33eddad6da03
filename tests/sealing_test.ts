import assert from "node:assert/strict";
import { join } from "node:path";
import { isSealed } from "../identity/sealed_secret.ts";
import { assertNoSecrets, ReportedHealth } from "./harness/doctor_report.ts";
import { Fleet } from "./harness/fleet.ts";
import { type Finished, runProgram } from "./harness/program.ts";
import { within } from "./harness/within.ts";

type Environment = Readonly<Record<string, string>>;

const LIMIT_MS = 60_000;

const KEY = new Uint8Array(32).map((_, at) => at * 5 + 1);
const NEXT_KEY = new Uint8Array(32).map((_, at) => at * 7 + 2);
const WRONG: Environment = { PALYRA_SEALING_KEY: NEXT_KEY.map((byte) => byte ^ 1).toHex() };
const ANY_PORTS: Environment = { PALYRA_NODE_RPC_PORT: "0", PALYRA_ENROLMENT_PORT: "0" };

/** Commands of one program that succeed, or end with a reason. */
class Commands {
  readonly #run: (args: readonly string[], env: Environment) => Promise<Finished>;

  constructor(run: (args: readonly string[], env: Environment) => Promise<Finished>) {
    this.#run = run;
  }

  /** What a command prints as JSON. */
  // deno-lint-ignore no-explicit-any -- the tests assert on what they read
  async json(env: Environment, ...args: string[]): Promise<any> {
    const { code, stdout, stderr } = await this.#run([...args, "--json"], env);
    assert.equal(code, 0, stderr);
    return JSON.parse(stdout);
  }

  /** The reason why a command does not do what is asked; all of these end with 7. */
  async refusal(env: Environment, ...args: string[]): Promise<string> {
    const { code, stderr } = await this.#run([...args, "--json"], env);
    assert.equal(code, 7, stderr);
    return JSON.parse(stderr.trim().split("\n").at(-1) ?? "").error.code;
  }

  async doctor(env: Environment): Promise<ReportedHealth> {
    return new ReportedHealth(await this.#run(["doctor", "--json"], env));
  }
}

function portOf(address: string): string {
  return address.slice(address.lastIndexOf(":") + 1);
}

async function assertSealed(folder: string, sealed: boolean): Promise<void> {
  for await (const { name } of Deno.readDir(folder)) {
    const content = await Deno.readFile(join(folder, name));
    assert.equal(isSealed(content), sealed, name);
    const isKey = new TextDecoder("latin1").decode(content).includes("PRIVATE KEY");
    assert.equal(isKey, !sealed && name.endsWith("key.pem"), name);
  }
}

Deno.test("the secrets of a daemon and a node are sealed, sealed anew and unsealed; nobody goes back to plain text unasked", async () => {
  await using fleet = await Fleet.create();
  const { nodeRpc, enrolment } = await fleet.startDaemon();
  const samePorts = ["--port", portOf(nodeRpc), "--enrolment-port", portOf(enrolment)];
  await fleet.pair("laptop");
  const daemonSecrets = join(fleet.daemonRoot, "palyrad", "secrets");
  const nodeSecrets = join(fleet.nodeRoot("laptop"), "node-host", "secrets");
  const palyrad = new Commands((args, env) => {
    return runProgram("palyrad", args, { stateRoot: fleet.daemonRoot, env: { ...ANY_PORTS, ...env } });
  });
  const node = new Commands((args, env) => fleet.node("laptop", args, { env }));

  // A key in each of the three ways.
  const credentials = join(fleet.nodeRoot("laptop"), "credentials");
  await Deno.mkdir(credentials);
  const keyFile = join(credentials, "palyra-sealing-key");
  const nextKeyFile = join(credentials, "next");
  await Deno.writeTextFile(keyFile, KEY.toBase64(), { mode: 0o600 });
  await Deno.writeFile(nextKeyFile, NEXT_KEY, { mode: 0o600 });
  const byFile = { PALYRA_SEALING_KEY_FILE: keyFile };
  const byCredential = { CREDENTIALS_DIRECTORY: credentials };
  const byVariable = { PALYRA_SEALING_KEY: KEY.toHex() };
  const next = { PALYRA_SEALING_KEY_FILE: nextKeyFile };

  assert.equal(await palyrad.refusal(byFile, "secrets", "seal"), "state_in_use", "not under a daemon that runs");
  await fleet.daemon.stop();
  assert.equal(await palyrad.refusal({}, "secrets", "seal"), "sealing_key_missing");
  assert.equal((await palyrad.json({}, "secrets", "status")).state, "plain");
  assert.equal(await palyrad.refusal(byFile, "run"), "secret_not_sealed", "a key that is given means sealed secrets");

  const sealed = await palyrad.json(byFile, "secrets", "seal");
  assert.ok(sealed.secrets >= 5 && sealed.changed === sealed.secrets, JSON.stringify(sealed));
  await node.json(byVariable, "secrets", "seal");
  await assertSealed(daemonSecrets, true);
  await assertSealed(nodeSecrets, true);

  assert.equal(await palyrad.refusal({}, "run"), "sealing_key_missing");
  assert.equal(await palyrad.refusal(WRONG, "run"), "sealing_key_wrong");
  assert.equal(await node.refusal({}, "run"), "sealing_key_missing");
  assert.equal((await palyrad.json({}, "secrets", "status")).state, "unknown");
  const keyless = await palyrad.doctor({});
  assert.deepEqual([keyless.code, keyless.with("failed")], [7, ["sealing"]], keyless.text);
  assert.equal(keyless.of("sealing").code, "sealing_key_missing");
  assert.match(keyless.of("sealing").cure ?? "", /PALYRA_SEALING_KEY_FILE/);
  const lost = await node.doctor({});
  assert.deepEqual([lost.code, lost.with("failed")], [7, ["sealing", "daemon_address"]], lost.text);

  await fleet.startDaemon(samePorts, byCredential);
  const host = await fleet.startNode("laptop", ["run"], { env: byVariable });
  await within(LIMIT_MS, "the connection", fleet.daemon.line((line) => line.includes("Node connected.")));
  assert.equal(await palyrad.refusal({}, "nodes", "list"), "sealing_key_missing", "an operator needs the key, too");
  const { output } = await palyrad.json(
    byFile,
    "nodes",
    "invoke",
    "laptop",
    "echo",
    "--input-json",
    '{"text":"hello"}',
  );
  assert.deepEqual(output.echo, { text: "hello" });
  const well = await node.doctor(byVariable);
  assert.deepEqual([well.code, well.with("failed")], [0, []], well.text);
  await assertNoSecrets(well.text, nodeSecrets);
  for (const program of [fleet.daemon, host]) {
    assert.ok(!program.output.includes(KEY.toHex()) && !program.output.includes(KEY.toBase64()));
  }
  await host.stop();
  await fleet.daemon.stop();

  const planted = join(daemonSecrets, "ca-key.pem");
  const real = await Deno.readFile(planted);
  await Deno.writeTextFile(planted, "-----BEGIN PRIVATE KEY-----", { mode: 0o600 });
  assert.equal(await palyrad.refusal(byFile, "run"), "secret_not_sealed");
  await Deno.copyFile(join(daemonSecrets, "operator-key.pem"), planted);
  assert.equal(await palyrad.refusal(byFile, "run"), "state_damaged");
  await Deno.writeFile(planted, real);

  await palyrad.json(byFile, "secrets", "rekey", "--new-key-file", nextKeyFile);
  assert.equal(await palyrad.refusal(byFile, "run"), "sealing_key_wrong");
  assert.equal((await palyrad.json(next, "secrets", "status")).state, "sealed");
  await fleet.startDaemon(samePorts, next);
  await fleet.daemon.stop();

  await palyrad.json(next, "secrets", "unseal");
  await node.json(byVariable, "secrets", "unseal");
  assert.equal((await palyrad.json({}, "secrets", "status")).state, "plain");
  await fleet.startDaemon(samePorts);
  await within(LIMIT_MS, "the connection", fleet.connect("laptop"));
  const tail = await runProgram("palyrad", ["audit", "tail", "--json", "--limit", "100"], {
    stateRoot: fleet.daemonRoot,
  });
  const kinds = tail.stdout.trim().split("\n").map((line) => JSON.parse(line).kind);
  assert.deepEqual(kinds.filter((kind) => kind.startsWith("secrets.")), [
    "secrets.sealed",
    "secrets.rekeyed",
    "secrets.unsealed",
  ]);
});

Deno.test("a daemon and a node that are given a key at their first start never write a secret in plain", async () => {
  await using fleet = await Fleet.create();
  const key = { PALYRA_SEALING_KEY: KEY.toBase64() };
  await fleet.startDaemon([], key);
  const minted = await runProgram("palyrad", ["pairing", "code", "--approve", "--json"], {
    stateRoot: fleet.daemonRoot,
    env: key,
  });
  const { secret_text: token } = JSON.parse(minted.stdout);
  const paired = await fleet.node("laptop", ["pair", token, "--name", "laptop"], { env: key });
  assert.equal(paired.code, 0, paired.stderr);
  await assertSealed(join(fleet.daemonRoot, "palyrad", "secrets"), true);
  await assertSealed(join(fleet.nodeRoot("laptop"), "node-host", "secrets"), true);
  const { stdout } = await fleet.node("laptop", ["status", "--json"]);
  const status = JSON.parse(stdout);
  assert.deepEqual([status.paired, status.cert_expires_at_unix_ms], [true, null], "status needs no key");
});
