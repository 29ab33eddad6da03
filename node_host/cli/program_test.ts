import assert from "node:assert/strict";
import { join } from "node:path";
import { mintPin, mintQrCode } from "../../identity/pairing_code.ts";
import { PalyraError } from "../../identity/palyra_error.ts";
import { encodeQrToken } from "../../identity/qr_token.ts";
import { capabilityFile, OwnerFolder } from "../capabilities/owner/testdata/owner_folder.ts";
import { EnrolmentServer } from "../testing/enrolment_server.ts";
import { NodeListener } from "../testing/node_listener.ts";
import { NodeProgram, type ProgramEnd } from "../testing/node_program.ts";
import { TestFolder } from "../testing/test_folder.ts";
import { newRequestId } from "../testing/test_node.ts";

const MOST_LOOKS = 50;

/** A daemon to pair with and a state root, to which the node is paired when `pair` was awaited. */
class Fixture implements AsyncDisposable {
  readonly root: string;
  readonly enrolment: EnrolmentServer;
  readonly node: NodeListener;
  readonly #folder: TestFolder;

  private constructor(folder: TestFolder, enrolment: EnrolmentServer, node: NodeListener) {
    this.#folder = folder;
    this.root = join(folder.path, "state");
    this.enrolment = enrolment;
    this.node = node;
  }

  static async start(authorize?: () => PalyraError | undefined): Promise<Fixture> {
    const enrolment = await EnrolmentServer.start(mintQrCode());
    const node = await NodeListener.start(enrolment.ca, authorize);
    enrolment.nodeEndpoints.splice(0, 1, node.endpoint);
    return new Fixture(await TestFolder.create(), enrolment, node);
  }

  run(...args: string[]): NodeProgram {
    return new NodeProgram(this.root, args);
  }

  async pair(): Promise<void> {
    this.enrolment.behaviour.approve = true;
    const { code, stderr } = await this.run("pair", encodeQrToken(this.enrolment.token())).end;
    assert.equal(code, 0, stderr);
  }

  /** What `status` prints once it says that the host is connected: its file is written after the Welcome. */
  async untilConnected(): Promise<ProgramEnd> {
    let end = await this.run("status", "--json").end;
    for (let looks = 1; end.code !== 0 && looks < MOST_LOOKS; looks++) {
      // deno-lint-ignore no-await-in-loop -- one look after the other
      end = await this.run("status", "--json").end;
    }
    assert.equal(end.code, 0, end.stdout);
    return end;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.node[Symbol.asyncDispose]();
    await this.enrolment[Symbol.asyncDispose]();
    await this.#folder[Symbol.asyncDispose]();
  }
}

Deno.test("palyra-node pair shows the fingerprint, waits for the approval and ends with 0", async () => {
  await using fixture = await Fixture.start();
  const token = encodeQrToken(fixture.enrolment.token());
  const pairing = new NodeProgram(fixture.root, ["pair", "-", "--name", "the box", "--json"], `${token}\n`);
  await fixture.enrolment.untilWatched();
  const waiting = await fixture.run("status", "--json").end;
  assert.equal(waiting.code, 7);
  assert.ok(waiting.documents[0]?.["pending"] !== null);
  fixture.enrolment.decide("approved");
  const { code, documents, stdout, stderr } = await pairing.end;
  assert.equal(code, 0, stderr);
  assert.deepEqual(documents.map(({ state }) => state), ["pending_approval", "completed"]);
  assert.equal(documents[0]?.["identity_fingerprint"], fixture.enrolment.verified?.identityFingerprint);
  assert.equal(documents[1]?.["device_name"], "the box");
  assert.equal(stderr, "");
  assert.doesNotMatch(stdout, /PRIVATE|palyra1:/);
  const again = await fixture.run("pair", token).end;
  assert.equal(again.code, 7);
  assert.match(again.stderr, /\[device_already_paired\]/);
});

Deno.test("palyra-node pair --daemon takes the PIN from standard input and repeats it nowhere", async () => {
  await using folder = await TestFolder.create();
  const pin = mintPin();
  await using enrolment = await EnrolmentServer.start(pin);
  enrolment.behaviour.approve = true;
  const args = ["pair", "--daemon", enrolment.endpoint];
  const { code, stdout, stderr } = await new NodeProgram(folder.path, args, `${pin.pin}\n`).end;
  assert.equal(code, 0, stderr);
  assert.ok(!stdout.includes(pin.pin) && !stderr.includes(pin.pin));
  assert.match(stdout, /palyra-node run/);
});

Deno.test("palyra-node run serves the daemon, and SIGTERM drains and ends it with 0", async () => {
  await using fixture = await Fixture.start();
  await fixture.pair();
  const stopped = await fixture.run("status").end;
  assert.equal(stopped.code, 4);
  assert.match(stopped.stdout, /not running; start it with `palyra-node run`/);

  const host = fixture.run("run", "--json", "--deny", "system.health", "--transport", "grpc");
  const daemon = await fixture.node.nextSession();
  const hello = await daemon.take("hello");
  assert.equal(hello.capabilities.find(({ name }) => name === "system.health")?.available, false);
  assert.equal(hello.capabilities.find(({ name }) => name === "echo")?.available, true);
  daemon.welcome({ epoch: 5 });
  const requestId = newRequestId();
  daemon.dispatch({ requestId, attempt: 1, inputJson: new TextEncoder().encode("[1]") });
  const result = await daemon.take("result");
  assert.deepEqual(JSON.parse(new TextDecoder().decode(result.outputJson)).echo, [1]);
  daemon.acknowledge(requestId, 1);

  const connected = await fixture.untilConnected();
  const [report] = connected.documents;
  assert.equal(report?.["connected"], true);
  assert.ok(Number(report["cert_renews_at_unix_ms"]) > Date.now());
  assert.ok(Number(report["cert_renews_at_unix_ms"]) < Number(report["cert_expires_at_unix_ms"]));
  const connection = report?.["connection"] as Record<string, unknown>;
  assert.equal(connection["epoch"], 5);
  assert.deepEqual([connection["transport"], connection["transport_reason"]], ["grpc", "requested"]);
  assert.equal(connection["transport_explanation"], "asked for by --transport");
  assert.equal((await fixture.run("run").end).code, 7);
  assert.equal((await fixture.run("unpair", "--local").end).code, 7);

  host.kill("SIGTERM");
  await daemon.take("draining");
  const { code, documents, stderr } = await host.end;
  assert.equal(code, 0, stderr);
  assert.equal(documents[0]?.["action"], "run");
  assert.doesNotMatch(stderr, /PRIVATE KEY/);
  assert.equal((await fixture.run("status").end).code, 4);
});

Deno.test("palyra-node run reconnects, and ends with 3 once the daemon will not have it", async () => {
  await using fixture = await Fixture.start();
  await fixture.pair();
  const host = fixture.run("run");
  const first = await fixture.node.nextSession();
  await first.take("hello");
  first.welcome();
  first.session.close("shutting_down", "The daemon is stopping.");
  const second = await fixture.node.nextSession();
  await second.take("hello");
  second.session.close("device_revoked", "This device was revoked.");
  const { code, stderr } = await host.end;
  assert.equal(code, 3, stderr);
  assert.match(stderr, /palyra-node unpair --local/);
  const status = await fixture.run("status", "--json").end;
  assert.equal(status.code, 4);
  const connection = status.documents[0]?.["connection"] as { last_error?: { code?: string } };
  assert.equal(connection.last_error?.code, "device_revoked");
});

Deno.test("palyra-node run without a pairing ends with 7", async () => {
  await using folder = await TestFolder.create();
  const { code, stderr } = await new NodeProgram(folder.path, ["run", "--json"]).end;
  assert.equal(code, 7);
  assert.equal(JSON.parse(stderr).error.code, "not_paired");
});

Deno.test("palyra-node unpair tells the daemon and leaves nothing secret", async () => {
  await using fixture = await Fixture.start();
  await fixture.pair();
  const { code, stdout, stderr } = await fixture.run("unpair", "--json").end;
  assert.equal(code, 0, stderr);
  assert.deepEqual(JSON.parse(stdout), { action: "unpair", unpaired: true, daemon_told: true });
  assert.deepEqual(fixture.node.revoked, [fixture.enrolment.verified?.deviceId]);
  const left = await Array.fromAsync(Deno.readDir(join(fixture.root, "node-host", "secrets")));
  assert.deepEqual(left, []);
  assert.equal((await fixture.run("status").end).code, 7);
  assert.equal((await fixture.run("unpair").end).code, 7);
});

Deno.test("palyra-node unpair changes nothing when the daemon cannot be told, unless --local", async () => {
  await using fixture = await Fixture.start();
  await fixture.pair();
  await fixture.node[Symbol.asyncDispose]();
  const refused = await fixture.run("unpair").end;
  assert.equal(refused.code, 4, refused.stderr);
  assert.match(refused.stderr, /--local/);
  assert.equal((await fixture.run("status").end).code, 4);
  const { code, stdout } = await fixture.run("unpair", "--local", "--json").end;
  assert.equal(code, 0);
  assert.deepEqual(JSON.parse(stdout), { action: "unpair", unpaired: true, daemon_told: false });
});

Deno.test("palyra-node unpair takes a daemon that does not know the device as told", async () => {
  await using fixture = await Fixture.start(() => new PalyraError("device_unknown", "There is no such device."));
  await fixture.pair();
  const { code, stdout, stderr } = await fixture.run("unpair", "--json").end;
  assert.equal(code, 0, stderr);
  assert.equal(JSON.parse(stdout).daemon_told, true);
});

Deno.test("palyra-node status and capabilities leave no trace on the disk", async () => {
  await using folder = await TestFolder.create();
  const root = join(folder.path, "state");
  const status = await new NodeProgram(root, ["status"]).end;
  assert.equal(status.code, 7);
  const capabilities = await new NodeProgram(root, ["capabilities", "--deny", "echo", "--json"]).end;
  assert.equal(capabilities.code, 0);
  const listed = capabilities.documents[0]?.["capabilities"] as {
    name: string;
    available: boolean;
    mediation: string;
  }[];
  const echo = listed.find(({ name }) => name === "echo");
  assert.deepEqual([echo?.available, echo?.mediation], [false, "deny"]);
  await assert.rejects(Deno.stat(root), Deno.errors.NotFound);
});

Deno.test("palyra-node capabilities shows the owner's own, the line that would allow them, and what is left out", async () => {
  await using folder = await TestFolder.create();
  await using own = await OwnerFolder.create({
    "broken.ts": "export default {",
    "load.js": capabilityFile({ name: "own.load", permissions: ["sys=loadavg"], run: "return Deno.loadavg()" }),
  });
  const args = ["capabilities", "--capabilities", own.path];
  const { code, stdout, stderr } = await new NodeProgram(folder.path, args).end;
  assert.equal(code, 0, stderr);
  assert.match(stdout, /own\.load +no +allow +load\.js: sys=loadavg/);
  assert.match(stdout, /set permissions = \["sys=loadavg"\] under \[capabilities\."own\.load"\]/);
  assert.match(stdout, /broken\.ts is left out\. It is no TypeScript/);
  const [document] = (await new NodeProgram(folder.path, [...args, "--json"]).end).documents;
  const listed = document?.["capabilities"] as { name: string; available: boolean; own_process: unknown }[];
  const load = listed.find(({ name }) => name === "own.load");
  assert.deepEqual([load?.available, load?.own_process], [false, { file: "load.js", permissions: ["sys=loadavg"] }]);
  assert.deepEqual((document?.["left_out"] as { file: string }[]).map(({ file }) => file), ["broken.ts"]);
  const missing = await new NodeProgram(folder.path, ["run", "--capabilities", join(own.path, "absent")]).end;
  assert.equal(missing.code, 2);
  assert.match(missing.stderr, /correct the path, or create the folder/);
});

Deno.test("palyra-node config show tells where each value comes from", async () => {
  await using folder = await TestFolder.create();
  const { code, documents } = await new NodeProgram(folder.path, ["config", "show", "--json"]).end;
  assert.equal(code, 0);
  const settings = documents[0]?.["settings"] as { key: string; source: string; source_name: string }[];
  const root = settings.find(({ key }) => key === "state_root");
  assert.deepEqual([root?.source, root?.source_name], ["environment", "PALYRA_STATE_ROOT"]);
});

Deno.test("palyra-node refuses command lines that cannot be, with 2", async () => {
  await using folder = await TestFolder.create();
  const commandLines = [
    ["stat"],
    ["pair", "palyra1:AAAA"],
    ["pair", "a", "--daemon", "b:1"],
    ["pair", "--daemon", "no-port"],
    ["run", "--deny", "desktop.open"],
    ["run", "--transport", "tcp"],
    ["requests", "approve", "everything"],
    ["requests", "approve", "k7q2fm", "--remember", "forever"],
    ["requests", "forget"],
    ["requests", "forget", "k7q2fm", "--all"],
    ["config"],
  ];
  const ends = await Promise.all(commandLines.map((args) => new NodeProgram(folder.path, args, "123456\n").end));
  assert.deepEqual(ends.map(({ code }) => code), commandLines.map(() => 2));
  for (const { stderr } of ends) assert.match(stderr, /error: /);
});

Deno.test("palyra-node --help teaches, in every verb", async () => {
  await using folder = await TestFolder.create();
  const verbs = [[], ["pair"], ["run"], ["status"], ["unpair"], ["capabilities"], ["config"], ["config", "show"]];
  verbs.push(["permissions"], ["requests"], ["requests", "list"], ["requests", "approve"], ["requests", "deny"]);
  verbs.push(["requests", "watch"], ["requests", "remembered"], ["requests", "forget"]);
  const ends = await Promise.all(verbs.map((verb) => new NodeProgram(folder.path, [...verb, "--help"]).end));
  for (const { code, stdout } of ends) {
    assert.equal(code, 0);
    assert.match(stdout, /Examples:/);
  }
});
