import type { Conversation } from "./datagram_corpus.ts";

/** Datagrams of each direction that are kept, the newest. */
const KEPT = 64;

/** Who a datagram is for. */
export type Receiver = "daemon" | "node";

/**
 * Passes the datagrams of one node on to the daemon and back, keeps the newest of them, and can put others between them:
 * what it puts there comes from where the real ones come from.
 */
export class LiveTap implements AsyncDisposable {
  readonly #daemon: Deno.NetAddr;
  /** The node's side, and the daemon's. */
  readonly #sockets: Readonly<Record<Receiver, Deno.DatagramConn>>;
  readonly #recent: Readonly<Record<Receiver, Uint8Array[]>> = { daemon: [], node: [] };
  readonly #hearing: Promise<void[]>;
  #node: Deno.NetAddr | undefined;

  private constructor(daemon: Deno.NetAddr) {
    this.#daemon = daemon;
    const bind = () => Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
    this.#sockets = { daemon: bind(), node: bind() };
    this.#hearing = Promise.all([this.#pass("node", "daemon"), this.#pass("daemon", "node")]);
  }

  /** Listens for the node on a free port of 127.0.0.1. */
  static start(daemon: Deno.NetAddr): LiveTap {
    return new LiveTap(daemon);
  }

  /** Where the node should look for the daemon, `host:port`. */
  get endpoint(): string {
    const { addr } = this.#sockets.node;
    return addr.transport === "udp" ? `127.0.0.1:${addr.port}` : "";
  }

  /** The newest datagrams for `receiver`, the oldest of them first. */
  recent(receiver: Receiver): Conversation {
    return this.#recent[receiver];
  }

  /** Sends `datagram` to `receiver` from where it hears of the other side. */
  async inject(receiver: Receiver, datagram: Uint8Array): Promise<void> {
    await this.#send(receiver, datagram);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#sockets.daemon.close();
    this.#sockets.node.close();
    await this.#hearing;
  }

  async #send(receiver: Receiver, datagram: Uint8Array): Promise<void> {
    const to = receiver === "daemon" ? this.#daemon : this.#node;
    // What the system does not take is lost, as it may be on any way.
    if (to !== undefined) await this.#sockets[receiver].send(datagram, to).catch(() => {});
  }

  async #pass(from: Receiver, to: Receiver): Promise<void> {
    const buffer = new Uint8Array(65_536);
    for (;;) {
      // deno-lint-ignore no-await-in-loop -- one datagram after the other
      const received = await this.#sockets[from].receive(buffer).catch((error) => {
        if (error instanceof Deno.errors.BadResource || error instanceof Deno.errors.Interrupted) return undefined;
        throw error;
      });
      if (received === undefined) return;
      const [bytes, address] = received;
      if (from === "node" && address.transport === "udp") this.#node = address;
      const datagram = bytes.slice();
      this.#recent[to].push(datagram);
      if (this.#recent[to].length > KEPT) this.#recent[to].shift();
      void this.#send(to, datagram);
    }
  }
}
