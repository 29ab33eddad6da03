import { DatagramLink, type LinkCounters } from "./datagram_link.ts";
import type { LinkConditions } from "./link_conditions.ts";

/** Which way a datagram goes: from a client to the target, or back. */
export type Direction = "toTarget" | "toClient";

/** More flows than this, and the oldest loses its socket. */
const MAX_FLOWS = 512;

/** Larger than any datagram of UDP. */
const RECEIVE_BYTES = 65_536;

interface Flow {
  readonly client: Deno.NetAddr;
  socket: Deno.DatagramConn;
}

interface Passing {
  readonly flow: Flow;
  readonly bytes: Uint8Array;
}

/** Passes datagrams on as a NAT does: each client appears at the target under a port of its own. */
export class UdpRelay implements AsyncDisposable {
  readonly #listener: Deno.DatagramConn;
  readonly #target: Deno.NetAddr;
  readonly #flows = new Map<string, Flow>();
  readonly #links: Readonly<Record<Direction, DatagramLink<Passing>>>;
  readonly #working = new Set<Promise<void>>();
  #flowCount = 0;
  #closed = false;
  #rebindCount = 0;

  private constructor(listener: Deno.DatagramConn, target: Deno.NetAddr, seed: number) {
    this.#listener = listener;
    this.#target = target;
    // Two directions interleave as the machine pleases; with a seed each, their fates do not depend on it.
    this.#links = {
      toTarget: new DatagramLink({ seed, deliver: ({ flow, bytes }) => this.#send(flow.socket, bytes, target) }),
      toClient: new DatagramLink({
        seed: ~seed,
        deliver: ({ flow, bytes }) => this.#send(listener, bytes, flow.client),
      }),
    };
    this.#work(this.#receive(listener, (bytes, from) => {
      this.#links.toTarget.send({ flow: this.#flowOf(from), bytes });
    }));
  }

  /** Listens on 127.0.0.1 at `port`; throws Deno.errors.AddrInUse. `target` is an IPv4 address with a port. */
  static listen(port: number, target: { readonly host: string; readonly port: number }, seed: number): UdpRelay {
    const listener = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port });
    return new UdpRelay(listener, { transport: "udp", hostname: target.host, port: target.port }, seed);
  }

  /** How many clients there were. */
  get flowCount(): number {
    return this.#flowCount;
  }

  /** How many times {@linkcode UdpRelay.rebind} moved something. */
  get rebindCount(): number {
    return this.#rebindCount;
  }

  /** Where each client appears at the target, the oldest first. */
  get sourcePorts(): readonly number[] {
    return [...this.#flows.values()].map(({ socket }) => portOf(socket));
  }

  counters(direction: Direction): Readonly<LinkCounters> {
    return { ...this.#links[direction].counters };
  }

  change(direction: Direction, changes: Partial<LinkConditions>): void {
    this.#links[direction].change(changes);
  }

  block(): void {
    this.#links.toTarget.block();
    this.#links.toClient.block();
  }

  unblock(): void {
    this.#links.toTarget.unblock();
    this.#links.toClient.unblock();
  }

  /** Moves each flow to a fresh port. What the target still sends to the old ones is lost. */
  rebind(): void {
    for (const flow of this.#flows.values()) {
      const old = flow.socket;
      flow.socket = bind();
      this.#hear(flow);
      old.close();
      this.#rebindCount += 1;
    }
  }

  /** Closes every socket; what is under way is lost. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#links.toTarget[Symbol.dispose]();
    this.#links.toClient[Symbol.dispose]();
    for (const { socket } of this.#flows.values()) socket.close();
    this.#flows.clear();
    this.#listener.close();
    await Promise.all(this.#working);
  }

  #flowOf(client: Deno.NetAddr): Flow {
    const key = `${client.hostname}:${client.port}`;
    const known = this.#flows.get(key);
    if (known !== undefined) return known;
    const [oldest] = this.#flows;
    if (oldest !== undefined && this.#flows.size >= MAX_FLOWS) {
      this.#flows.delete(oldest[0]);
      oldest[1].socket.close();
    }
    const flow = { client, socket: bind() };
    this.#hear(flow);
    this.#flows.set(key, flow);
    this.#flowCount += 1;
    return flow;
  }

  #hear(flow: Flow): void {
    const { hostname, port } = this.#target;
    this.#work(this.#receive(flow.socket, (bytes, from) => {
      // A NAT lets in only what comes from where the flow goes.
      if (from.hostname === hostname && from.port === port) this.#links.toClient.send({ flow, bytes });
    }));
  }

  /** Hears `socket` until it is closed. */
  async #receive(socket: Deno.DatagramConn, take: (bytes: Uint8Array, from: Deno.NetAddr) => void): Promise<void> {
    const buffer = new Uint8Array(RECEIVE_BYTES);
    for (;;) {
      // deno-lint-ignore no-await-in-loop -- one datagram after the other
      const received = await socket.receive(buffer).catch(undefinedIfClosed);
      if (received === undefined || this.#closed) return;
      const [bytes, from] = received;
      if (from.transport === "udp") take(bytes.slice(), from);
    }
  }

  #send(socket: Deno.DatagramConn, bytes: Uint8Array, to: Deno.NetAddr): void {
    this.#work(socket.send(bytes, to).then(() => {}, undefinedIfClosed));
  }

  #work(work: Promise<void>): void {
    const kept = work.finally(() => this.#working.delete(kept));
    this.#working.add(kept);
  }
}

function bind(): Deno.DatagramConn {
  return Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
}

function portOf(socket: Deno.DatagramConn): number {
  return socket.addr.transport === "udp" ? socket.addr.port : 0;
}

function undefinedIfClosed(error: unknown): undefined {
  if (error instanceof Deno.errors.BadResource || error instanceof Deno.errors.Interrupted) return undefined;
  throw error;
}
