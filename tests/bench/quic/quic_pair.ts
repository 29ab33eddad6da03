import { linesOf } from "./process_lines.ts";
import type { QuicImplementation } from "./quic_implementation.ts";
import type { QuicMaterial } from "./quic_peer.ts";
import type { QuicOrder, QuicReport } from "./quic_workload.ts";

const START_MS = 15_000;
/** What an order may take on top of its duration. */
const PATIENCE_MS = 10_000;

/** A server and a client process of one implementation. Whatever takes too long or dies rejects, and says which. */
export class QuicPair implements AsyncDisposable {
  readonly #server: BenchProcess;
  readonly #client: BenchProcess;

  private constructor(server: BenchProcess, client: BenchProcess) {
    this.#server = server;
    this.#client = client;
  }

  static async start(implementation: QuicImplementation, material: QuicMaterial): Promise<QuicPair> {
    const first = JSON.stringify(material);
    const server = new BenchProcess("server.ts", [implementation]);
    try {
      const port = await server.ask(first, START_MS);
      const client = new BenchProcess("client.ts", [implementation, port]);
      await client.send(first);
      return new QuicPair(server, client);
    } catch (error) {
      await server[Symbol.asyncDispose]();
      throw error;
    }
  }

  async measure(order: QuicOrder): Promise<QuicReport> {
    const answer = this.#client.ask(JSON.stringify(order), order.durationMs + PATIENCE_MS);
    return JSON.parse(await Promise.race([answer, this.#server.death]));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client[Symbol.asyncDispose]();
    await this.#server[Symbol.asyncDispose]();
  }
}

/** A process that answers lines with lines. */
class BenchProcess implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #output: AsyncGenerator<string>;
  #ended = false;
  /** Rejects when the process ends. */
  readonly death: Promise<never>;

  constructor(script: "client.ts" | "server.ts", args: readonly string[]) {
    this.#child = new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "--no-prompt", "-A", new URL(script, import.meta.url).href, ...args],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
      env: { NO_COLOR: "1" },
    }).spawn();
    this.#input = this.#child.stdin.getWriter();
    this.#input.closed.catch(() => {});
    this.#output = linesOf(this.#child.stdout);
    this.death = this.#end(script);
    this.death.catch(() => {});
  }

  async send(line: string): Promise<void> {
    await this.#input.write(new TextEncoder().encode(`${line}\n`)).catch(() => {});
  }

  async ask(line: string, withinMs: number): Promise<string> {
    await this.send(line);
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => reject(new Error("hung: no answer in time")), withinMs);
    try {
      const { value, done } = await Promise.race([this.#output.next(), this.death, late]);
      return done === true ? await this.death : value;
    } finally {
      clearTimeout(timer);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#ended) this.#child.kill("SIGKILL");
    await this.death.catch(() => {});
    await this.#output.return(undefined).catch(() => {});
    await this.#input.close().catch(() => {});
  }

  async #end(script: string): Promise<never> {
    const [{ code, signal }, errors] = await Promise.all([
      this.#child.status,
      new Response(this.#child.stderr).text(),
    ]);
    this.#ended = true;
    const said = errors.split("\n").find((line) => line.trim() !== "") ?? "without a word";
    throw new Error(`${script} died (${signal ?? `exit ${code}`}): ${said.trim()}`);
  }
}
