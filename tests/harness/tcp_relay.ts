/** What a TCP relay does with what comes. */
export type TcpState =
  /** Passes everything on. */
  | "open"
  /** Takes connections and keeps them, but passes nothing on. Nothing is lost: it goes on when the relay is open again. */
  | "stalled"
  /** Closes every connection, new ones too. */
  | "cut";

const CHUNK_BYTES = 65_536;

/** Passes TCP connections on to `target`, byte for byte. */
export class TcpRelay implements AsyncDisposable {
  readonly #listener: Deno.Listener;
  readonly #target: { readonly hostname: string; readonly port: number };
  readonly #connections = new Set<Deno.Conn>();
  readonly #working = new Set<Promise<void>>();
  #state: TcpState = "open";
  #passing: PromiseWithResolvers<void> = Promise.withResolvers();
  #connectionCount = 0;

  private constructor(listener: Deno.Listener, target: { readonly host: string; readonly port: number }) {
    this.#listener = listener;
    this.#target = { hostname: target.host, port: target.port };
    this.#passing.resolve();
    this.#work(this.#accept());
  }

  /** Listens on a free port of 127.0.0.1. */
  static listen(target: { readonly host: string; readonly port: number }): TcpRelay {
    return new TcpRelay(Deno.listen({ hostname: "127.0.0.1", port: 0 }), target);
  }

  get port(): number {
    return this.#listener.addr.transport === "tcp" ? this.#listener.addr.port : 0;
  }

  /** How many connections were taken; those that were closed at once do not count. */
  get connectionCount(): number {
    return this.#connectionCount;
  }

  get state(): TcpState {
    return this.#state;
  }

  set state(state: TcpState) {
    this.#passing.resolve();
    if (state === "stalled") this.#passing = Promise.withResolvers();
    if (state === "cut") { for (const connection of this.#connections) close(connection); }
    this.#state = state;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.state = "cut";
    this.#listener.close();
    await Promise.all(this.#working);
  }

  async #accept(): Promise<void> {
    for await (const client of this.#listener) {
      if (this.#state === "cut") close(client);
      else this.#work(this.#serve(client));
    }
  }

  async #serve(client: Deno.Conn): Promise<void> {
    this.#connectionCount += 1;
    this.#connections.add(client);
    let server: Deno.Conn | undefined;
    try {
      server = await Deno.connect(this.#target);
      this.#connections.add(server);
      // Cut while it was being connected.
      if (this.#state === "cut") return;
      await Promise.all([this.#pump(client, server), this.#pump(server, client)]);
    } catch {
      // One of the two is gone, or was cut: so is the other.
    } finally {
      for (const connection of [client, server]) {
        if (connection === undefined) continue;
        this.#connections.delete(connection);
        close(connection);
      }
    }
  }

  async #pump(from: Deno.Conn, to: Deno.Conn): Promise<void> {
    const buffer = new Uint8Array(CHUNK_BYTES);
    try {
      for (;;) {
        // deno-lint-ignore no-await-in-loop -- in the order they come
        const length = await from.read(buffer);
        // deno-lint-ignore no-await-in-loop -- in the order they come
        await this.#passing.promise;
        if (length === null) break;
        // deno-lint-ignore no-await-in-loop -- in the order they come
        await writeAll(to, buffer.subarray(0, length));
      }
      await to.closeWrite();
    } catch (error) {
      // Ends the pump in the other direction too.
      close(from);
      close(to);
      throw error;
    }
  }

  #work(work: Promise<void>): void {
    const kept = work.finally(() => this.#working.delete(kept));
    this.#working.add(kept);
  }
}

async function writeAll(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    // deno-lint-ignore no-await-in-loop -- the rest follows
    at += await connection.write(bytes.subarray(at));
  }
}

function close(connection: Deno.Conn): void {
  try {
    connection.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  }
}
