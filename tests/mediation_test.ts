import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { TerminalProgram, WITH_TERMINAL } from "../node_host/testing/terminal_program.ts";
import { Fleet } from "./harness/fleet.ts";
import { RunningProgram, TESTS_BUILT_PROGRAMS } from "./harness/program.ts";
import { say } from "./harness/say.ts";
import { HAS_X_SERVER, XServer } from "./harness/x_server.ts";

const NODE_MAIN = fileURLToPath(new URL("../node_host/main.ts", import.meta.url));
const X_OPENER = fileURLToPath(new URL("clients/x_opener.py", import.meta.url));
const URL_TO_OPEN = "https://example.com/a?b=c#d";

// A release may start the platform's opener only, and no stand-in.
const WITH_X_SERVER = { ignore: !HAS_X_SERVER || TESTS_BUILT_PROGRAMS };
if (!HAS_X_SERVER) say("Mediation is not tested with a real window system: install Xvfb (Debian's package xvfb).");

/** A daemon and its paired node `laptop` in a real window system; the node is not started. */
class Desktop implements AsyncDisposable {
  readonly fleet: Fleet;
  readonly #x: XServer;

  private constructor(fleet: Fleet, x: XServer) {
    this.fleet = fleet;
    this.#x = x;
  }

  /** `config` is added to the node's `palyra.toml`. */
  static async start(config = ""): Promise<Desktop> {
    const desktop = new Desktop(await Fleet.create(), await XServer.start());
    await desktop.fleet.startDaemon();
    await Deno.mkdir(desktop.#folder, { recursive: true, mode: 0o700 });
    const opener = join(desktop.#folder, "opener.py");
    await Deno.copyFile(X_OPENER, opener);
    await Deno.chmod(opener, 0o700);
    await Deno.writeTextFile(join(desktop.#folder, "palyra.toml"), `opener = "${opener}"\n${config}`, { mode: 0o600 });
    await desktop.fleet.pair("laptop");
    return desktop;
  }

  get #folder(): string {
    return join(this.fleet.nodeRoot("laptop"), "node-host");
  }

  get environment(): Readonly<Record<string, string>> {
    return { DISPLAY: this.#x.display };
  }

  /** Starts the node without a terminal. */
  async connect(): Promise<RunningProgram> {
    const node = await this.fleet.startNode("laptop", ["run"], { env: this.environment });
    await this.#welcomed();
    return node;
  }

  /** Starts the node on a terminal. */
  async connectOnTerminal(): Promise<TerminalProgram> {
    const terminal = new TerminalProgram([Deno.execPath(), "run", "--quiet", "--no-prompt", "-A", NODE_MAIN, "run"], {
      ...this.environment,
      PALYRA_STATE_ROOT: this.fleet.nodeRoot("laptop"),
    });
    await this.#welcomed();
    return terminal;
  }

  /** Has the operator ask for a page; resolves once the node's owner is asked. */
  async ask(url = URL_TO_OPEN): Promise<AskedPage> {
    const { request_id: requestId } = await this.submit(url);
    const watching = await RunningProgram.start("palyrad", ["requests", "watch", requestId], {
      stateRoot: this.fleet.daemonRoot,
    });
    await watching.line((line) => line === "awaiting_local_mediation");
    return new AskedPage(this.fleet, requestId, watching);
  }

  // deno-lint-ignore no-explicit-any -- whatever the daemon's JSON holds
  async submit(url: string): Promise<any> {
    const input = JSON.stringify({ url });
    return await this.fleet.palyrad(
      "nodes",
      "invoke",
      "laptop",
      "desktop.open_url",
      "--input-json",
      input,
      "--no-wait",
    );
  }

  /** Runs `palyra-node requests …` and returns its JSON. */
  // deno-lint-ignore no-explicit-any -- whatever the command's JSON holds
  async requests(...args: readonly string[]): Promise<any> {
    const { code, stdout, stderr } = await this.fleet.node("laptop", ["requests", ...args, "--json"]);
    assert.equal(code, 0, stderr);
    return JSON.parse(stdout);
  }

  /** The only question that waits. */
  // deno-lint-ignore no-explicit-any -- whatever the command's JSON holds
  async question(): Promise<any> {
    const { questions } = await this.requests("list");
    assert.equal(questions.length, 1);
    return questions[0];
  }

  /** What the opener was given and did, one entry a start. */
  async opened(): Promise<{ arguments: string[]; display: string; window: string }[]> {
    const text = await Deno.readTextFile(join(this.#folder, "opened")).catch(() => "");
    return text.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
  }

  /** Asserts that these pages were opened in windows, and nothing else. */
  async assertOpened(...urls: readonly string[]): Promise<void> {
    const expected = urls.map((url) => ({ arguments: [url], display: this.#x.display, window: "viewable" }));
    assert.deepEqual(await this.opened(), expected);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.fleet[Symbol.asyncDispose]();
    await this.#x[Symbol.asyncDispose]();
  }

  async #welcomed(): Promise<void> {
    await this.fleet.daemon.line((line) => line.includes("Node connected.") && line.includes('"name":"laptop"'));
  }
}

/** A page that an operator asked for and the node's owner is asked about. */
class AskedPage {
  readonly #fleet: Fleet;
  readonly requestId: string;
  readonly #watching: RunningProgram;

  constructor(fleet: Fleet, requestId: string, watching: RunningProgram) {
    this.#fleet = fleet;
    this.requestId = requestId;
    this.#watching = watching;
  }

  // deno-lint-ignore no-explicit-any -- whatever the daemon's JSON holds
  async show(): Promise<any> {
    return await this.#fleet.palyrad("requests", "show", this.requestId);
  }

  /** The states that the operator saw from the question on, once the request has ended. */
  async states(): Promise<string[]> {
    const { code, stdout, stderr } = await this.#watching.ended;
    assert.equal(code, 0, stderr);
    return statesSinceQuestion(stdout);
  }

  /** Resolves once the operator has seen so many states from the question on, with them. */
  async statesSoFar(count: number): Promise<string[]> {
    await this.#watching.line(() => statesSinceQuestion(this.#watching.output).length >= count);
    return statesSinceQuestion(this.#watching.output);
  }
}

function statesSinceQuestion(output: string): string[] {
  const states = output.trim().split("\n").map((line) => line.replace(/:.*$/, ""));
  return states.slice(states.indexOf("awaiting_local_mediation"));
}

Deno.test(
  "a page is opened once the owner has approved it, and the operator sees each step",
  WITH_X_SERVER,
  async () => {
    await using desktop = await Desktop.start();
    await desktop.connect();
    const page = await desktop.ask();
    assert.equal((await page.show()).state, "awaiting_local_mediation");
    const question = await desktop.question();
    assert.equal(question.would, `open ${URL_TO_OPEN}`);
    assert.equal(question.request_id, page.requestId);
    const [operator] = (await desktop.fleet.palyrad("devices", "list")).devices.filter((
      device: { client_kind: string },
    ) => device.client_kind === "cli");
    assert.ok(question.requested_by.endsWith(`(${operator.device_id})`), question.requested_by);
    await desktop.assertOpened();

    await desktop.requests("approve", question.id);
    assert.deepEqual(await page.states(), ["awaiting_local_mediation", "running", "succeeded"]);
    assert.deepEqual((await page.show()).output, { opened: true, url: URL_TO_OPEN });
    await desktop.assertOpened(URL_TO_OPEN);
    const again = await desktop.fleet.node("laptop", ["requests", "approve", question.id]);
    assert.equal(again.code, 8, "a question is answered once");
    await desktop.assertOpened(URL_TO_OPEN);
  },
);

Deno.test("a page is not opened when the owner refuses it, or the operator takes it back", WITH_X_SERVER, async () => {
  await using desktop = await Desktop.start();
  await desktop.connect();
  const refused = await desktop.ask();
  await desktop.requests("deny", (await desktop.question()).id);
  assert.deepEqual(await refused.states(), ["awaiting_local_mediation", "rejected"]);
  assert.equal((await refused.show()).error_code, "mediation_denied");

  const withdrawn = await desktop.ask();
  await desktop.fleet.palyrad("requests", "cancel", withdrawn.requestId);
  assert.deepEqual(await withdrawn.states(), ["awaiting_local_mediation", "cancelled"]);
  assert.deepEqual((await desktop.requests("list")).questions, []);
  await desktop.assertOpened();
});

Deno.test("a page is not opened when nobody answers, and nothing else waits for that", WITH_X_SERVER, async () => {
  await using desktop = await Desktop.start("max_concurrency = 1\nmediation.timeout_ms = 8000\n");
  await desktop.connect();
  const page = await desktop.ask();
  assert.equal((await desktop.fleet.palyrad("nodes", "invoke", "laptop", "echo")).state, "succeeded");
  assert.deepEqual(await page.states(), ["awaiting_local_mediation", "rejected"]);
  assert.equal((await page.show()).error_code, "mediation_timed_out");
  const late = await desktop.fleet.node("laptop", ["requests", "list"]);
  assert.equal(late.stdout, "Nothing waits for your consent.\n");
  await desktop.assertOpened();
});

Deno.test(
  "what the owner answers for good holds across a restart, for that origin, until it is withdrawn",
  WITH_X_SERVER,
  async () => {
    await using desktop = await Desktop.start();
    const node = await desktop.connect();
    const page = await desktop.ask();
    await desktop.requests("approve", (await desktop.question()).id, "--remember", "always");
    assert.equal((await page.states()).at(-1), "succeeded");
    await node.stop();
    const { answers } = await desktop.requests("remembered");
    assert.deepEqual(answers.map((answer: { scope: unknown }) => answer.scope), [
      { kind: "origin", value: "https://example.com" },
    ]);

    await desktop.connect();
    const other = await desktop.ask("https://example.com:8443/");
    const invoke = ["nodes", "invoke", "laptop", "desktop.open_url", "--input-json"];
    await desktop.fleet.palyrad(...invoke, JSON.stringify({ url: "https://example.com/unasked" }));
    await desktop.requests("deny", (await desktop.question()).id, "--forever");
    assert.equal((await other.states()).at(-1), "rejected");
    assert.equal((await other.show()).error_code, "mediation_denied");
    const refused = await desktop.fleet.tryPalyrad(...invoke, JSON.stringify({ url: "https://example.com:8443/b" }));
    assert.match(refused.stderr, /refused this for good/);

    await desktop.requests("forget", "--all");
    const asked = await desktop.ask();
    await desktop.requests("deny", (await desktop.question()).id);
    assert.equal((await asked.states()).at(-1), "rejected");
    await desktop.assertOpened(URL_TO_OPEN, "https://example.com/unasked");
  },
);

Deno.test(
  "the owner answers on the terminal that palyra-node runs on, or by a command if that comes first, or another day",
  { ignore: WITH_X_SERVER.ignore || WITH_TERMINAL.ignore },
  async () => {
    await using desktop = await Desktop.start();
    await using terminal = await desktop.connectOnTerminal();
    const first = await desktop.ask();
    await terminal.until(/would +open https:\/\/example\.com\/a\?b=c#d\r\n[^]*then Enter [^\r]*: …?$/);
    await terminal.type("y\r");
    assert.deepEqual(await first.states(), ["awaiting_local_mediation", "running", "succeeded"]);
    await desktop.assertOpened(URL_TO_OPEN);

    const second = await desktop.ask("https://example.com/second");
    await terminal.until(/would +open https:\/\/example\.com\/second/);
    await desktop.requests("deny", (await desktop.question()).id);
    await terminal.until(/Answered by a command: no\./);
    assert.equal((await second.states()).at(-1), "rejected");

    const third = await desktop.ask("https://example.com/third");
    await terminal.until(/would +open https:\/\/example\.com\/third/);
    await terminal.type("\x03");
    await terminal.until(/Withdrawn/);
    await terminal.end;
    assert.deepEqual(await third.statesSoFar(2), ["awaiting_local_mediation", "queued"]);
    await desktop.connect();
    const again = ["awaiting_local_mediation", "queued", "dispatched", "awaiting_local_mediation"];
    assert.deepEqual(await third.statesSoFar(again.length), again);
    await desktop.requests("approve", (await desktop.question()).id);
    assert.deepEqual(await third.states(), [...again, "running", "succeeded"]);
    await desktop.assertOpened(URL_TO_OPEN, "https://example.com/third");
  },
);
