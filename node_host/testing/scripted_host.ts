import { join } from "node:path";
import { CertificateAuthority } from "../../identity/certificate_authority.ts";
import { systemClock } from "../../identity/unix_ms.ts";
import type { CapabilityResult, Hello } from "../../proto/gen/node.ts";
import { QuicRuntime } from "../../transport/quic/quic_runtime.ts";
import { StandInOpener } from "../capabilities/testdata/stand_in_opener.ts";
import type { NodeMessage } from "../node_message.ts";
import { NodeHostState } from "../node_host_state.ts";
import { NodeListener } from "./node_listener.ts";
import { pairState } from "./paired_state.ts";
import { ScriptedDaemon } from "./scripted_daemon.ts";
import { newRequestId } from "./test_node.ts";

const HOUR_MS = 3_600_000;

/** Where nodes connect to a daemon that the test scripts. */
interface ScriptedListener extends AsyncDisposable {
  readonly endpoint: string;
  nextSession(): Promise<ScriptedDaemon>;
}

/** For tests: which transport the scripted daemon has. */
export type ScriptedTransport = "grpc" | "quic";

/** For tests: how the programs of a {@linkcode ScriptedHost} are started. */
export interface ScriptedHostOptions {
  /** Shell code that the opener runs once it has noted what to open. Default: it ends. */
  readonly openerThen?: string;
  /** Whether a program gets nothing of this process's environment. Default: it gets everything. */
  readonly clearEnv?: boolean | undefined;
}

/**
 * For tests: a paired palyra-node that runs as a program of its own, whatever build of it, and a daemon in this process
 * that says what the test tells it to. The pairing is the test's too, so that a build that cannot pair can be tested.
 */
export class ScriptedHost implements AsyncDisposable {
  readonly stateRoot: string;
  /** The opener of the desktop capabilities, by `palyra.toml`. */
  readonly opener: StandInOpener;
  /** The folder that `desktop.open_path` may open things from; it holds `plain.txt`. */
  readonly openRoot: string;
  readonly #listener: ScriptedListener;
  readonly #transport: ScriptedTransport;
  readonly #clearEnv: boolean;

  private constructor(
    opener: StandInOpener,
    listener: ScriptedListener,
    transport: ScriptedTransport,
    clearEnv: boolean,
  ) {
    this.opener = opener;
    this.stateRoot = join(opener.folder, "state");
    this.openRoot = join(opener.folder, "shared");
    this.#listener = listener;
    this.#transport = transport;
    this.#clearEnv = clearEnv;
  }

  /** `config` is added to `palyra.toml`; the desktop capabilities are allowed unless it says otherwise. */
  static async start(
    transport: ScriptedTransport,
    config = ALLOW_DESKTOP,
    { openerThen, clearEnv = false }: ScriptedHostOptions = {},
  ): Promise<ScriptedHost> {
    const opener = await StandInOpener.create(openerThen);
    const ca = await CertificateAuthority.create({ clock: systemClock });
    const listener = transport === "grpc" ? await NodeListener.start(ca) : await quicListener(ca);
    const host = new ScriptedHost(opener, listener, transport, clearEnv);
    await Deno.mkdir(host.openRoot);
    await Deno.writeTextFile(join(host.openRoot, "plain.txt"), "text", { mode: 0o600 });
    const folder = join(host.stateRoot, "node-host");
    using state = await NodeHostState.open(folder);
    await pairState(state, ca, HOUR_MS, [listener.endpoint]);
    const settings = [`opener = "${opener.command}"`, `open_path.roots = ["${host.openRoot}"]`, config];
    await Deno.writeTextFile(join(folder, "palyra.toml"), `${settings.join("\n")}\n`, { mode: 0o600 });
    return host;
  }

  /** The variables with which palyra-node is to be started. */
  get environment(): Readonly<Record<string, string>> {
    return { NO_COLOR: "1", PALYRA_STATE_ROOT: this.stateRoot, PALYRA_TRANSPORT: this.#transport };
  }

  /** Runs a command line of palyra-node to its end. */
  async output(
    command: readonly string[],
  ): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }> {
    const { code, stdout, stderr } = await this.#command(command).output();
    const decoder = new TextDecoder();
    return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
  }

  /** Starts a command line of `palyra-node run`; resolves when it is connected and welcomed. */
  async run(command: readonly string[]): Promise<RunningHost> {
    const child = this.#command(command).spawn();
    const errors = new Response(child.stderr).text();
    const ended = child.status.then(async ({ code }) => {
      throw new Error(`palyra-node ended with ${code}:\n${await errors}`);
    });
    // It ends in any case when the test is over.
    ended.catch(() => {});
    const daemon = await Promise.race([this.#listener.nextSession(), ended]);
    const hello = await daemon.take("hello");
    daemon.welcome();
    return new RunningHost(child, errors, daemon, hello);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#listener[Symbol.asyncDispose]();
    await this.opener[Symbol.asyncDispose]();
  }

  #command([program = "", ...args]: readonly string[]): Deno.Command {
    return new Deno.Command(program, {
      args,
      env: this.environment,
      clearEnv: this.#clearEnv,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    });
  }
}

/** For tests: a request that was sent to the node. */
export interface SubmittedRequest {
  /** Its result, which is acknowledged. */
  result(): Promise<CapabilityResult>;
}

/** For tests: a palyra-node of a {@linkcode ScriptedHost} that runs and is connected. */
export class RunningHost implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #errors: Promise<string>;
  readonly daemon: ScriptedDaemon;
  readonly hello: Hello;

  constructor(child: Deno.ChildProcess, errors: Promise<string>, daemon: ScriptedDaemon, hello: Hello) {
    this.#child = child;
    this.#errors = errors;
    this.daemon = daemon;
    this.hello = hello;
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Has a capability run, one request after the other. */
  async invoke(capability: string, input: unknown): Promise<CapabilityResult> {
    return await this.submit(capability, input).result();
  }

  /** Has a capability run, and does not wait for it. */
  submit(capability: string, input: unknown): SubmittedRequest {
    const requestId = newRequestId();
    const inputJson = new TextEncoder().encode(JSON.stringify(input));
    this.daemon.dispatch({ requestId, attempt: 1, capability, inputJson });
    return {
      result: async () => {
        const { value } = await this.next("result");
        this.#dropAccepted(requestId);
        this.daemon.acknowledge(requestId, 1);
        return value;
      },
    };
  }

  /** The next message of this kind; those of other kinds stay to be taken. Rejects when the session ends without one. */
  async next<Case extends NodeMessage["$case"]>(kind: Case): Promise<Extract<NodeMessage, { $case: Case }>> {
    const { untaken, session } = this.daemon;
    const at = () => untaken.findIndex((message) => message.$case === kind);
    while (at() < 0) {
      // deno-lint-ignore no-await-in-loop -- waits for one arrival after the other
      const end = await Promise.race([this.daemon.arrival(), session.closed]);
      if (end !== undefined && at() < 0) throw new Error(`the session ended without ${kind}: ${end.message}`);
    }
    const [taken] = untaken.splice(at(), 1);
    return taken as Extract<NodeMessage, { $case: Case }>;
  }

  /** What nobody waited for is not to be in the way of the next request. */
  #dropAccepted(requestId: string): void {
    const { untaken } = this.daemon;
    for (let at = untaken.length - 1; at >= 0; at--) {
      const message = untaken[at];
      if (message?.$case === "accepted" && message.value.attempt?.requestId?.ulid === requestId) untaken.splice(at, 1);
    }
  }

  /** Sends a signal. */
  kill(signal: Deno.Signal): void {
    this.#child.kill(signal);
  }

  /** Resolves when it has ended, with its exit code and what it logged. */
  async ended(): Promise<{ readonly code: number; readonly logged: string }> {
    await this.#child.stdout.cancel();
    const { code } = await this.#child.status;
    return { code, logged: await this.#errors };
  }

  /** Stops it as a signal would; resolves with what it logged. */
  async stop(signal: Deno.Signal = "SIGTERM"): Promise<string> {
    this.kill(signal);
    return (await this.ended()).logged;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop().catch(() => {});
  }
}

/** A `palyra.toml` by which nobody is asked about the desktop. */
const ALLOW_DESKTOP = ["desktop.open_url", "desktop.open_path"]
  .map((name) => `[capabilities."${name}"]\nmediation = "allow"`).join("\n");

async function quicListener(ca: CertificateAuthority): Promise<ScriptedListener> {
  const certificate = await ca.issueServerCertificate({ names: [], addresses: [], validityMs: HOUR_MS });
  const sessions: ScriptedDaemon[] = [];
  let arrived = Promise.withResolvers<void>();
  const runtime = QuicRuntime.start({
    hostname: "127.0.0.1",
    port: 0,
    tls: {
      certificatePem: certificate.certificatePem + ca.certificatePem,
      keyPem: certificate.privateKeyPem,
      clientCaPem: [ca.certificatePem],
    },
    authorize: () => undefined,
    onSession: (session) => {
      sessions.push(new ScriptedDaemon(session));
      arrived.resolve();
      arrived = Promise.withResolvers();
    },
    health: () => ({ nodeRpcMtlsRequired: true }),
    events: async function* () {},
    onRefused: () => {},
  });
  return {
    endpoint: `127.0.0.1:${runtime.address.port}`,
    async nextSession() {
      for (;;) {
        const session = sessions.shift();
        if (session !== undefined) return session;
        // deno-lint-ignore no-await-in-loop -- waits for the next one
        await arrived.promise;
      }
    },
    [Symbol.asyncDispose]: () => runtime.close({ graceMs: 0 }),
  };
}
