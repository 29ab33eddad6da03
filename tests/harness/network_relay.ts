import { type Endpoint, formatEndpoint } from "../../identity/endpoint.ts";
import type { LinkCounters } from "./datagram_link.ts";
import { changedConditions, CLEAR_LINK, type LinkConditions } from "./link_conditions.ts";
import { freshSeed } from "./seeded_numbers.ts";
import { TcpRelay, type TcpState } from "./tcp_relay.ts";
import { type Direction, UdpRelay } from "./udp_relay.ts";

/** How often a port is tried that is free for TCP but may be taken for UDP. */
const PORT_TRIES = 20;

/** What passed so far. */
export interface NetworkCounters {
  readonly toTarget: Readonly<LinkCounters>;
  readonly toClient: Readonly<LinkCounters>;
  /** Clients by UDP. */
  readonly flows: number;
  /** Flows that {@linkcode NetworkRelay.rebind} moved. */
  readonly rebinds: number;
  /** Connections by TCP. */
  readonly connections: number;
}

/** How {@linkcode NetworkRelay.start} starts. */
export interface NetworkRelayOptions {
  /** Decides which datagrams meet bad luck. Default: a fresh one; print {@linkcode NetworkRelay.seed}. */
  readonly seed?: number;
  /** What both directions do to datagrams. Default: a clear link. */
  readonly conditions?: Partial<LinkConditions>;
}

/** A network between daemon and node that a test can break: one port for TCP and UDP, passed on to a target. */
export class NetworkRelay implements AsyncDisposable {
  readonly #tcp: TcpRelay;
  readonly #udp: UdpRelay;
  readonly seed: number;

  private constructor(tcp: TcpRelay, udp: UdpRelay, seed: number) {
    this.#tcp = tcp;
    this.#udp = udp;
    this.seed = seed;
  }

  /** Listens on a free port of 127.0.0.1, the same for TCP and UDP. The target's host is an IPv4 address. */
  static async start(target: Endpoint, options: NetworkRelayOptions = {}): Promise<NetworkRelay> {
    const { seed = freshSeed(), conditions = {} } = options;
    const checked = changedConditions(CLEAR_LINK, conditions);
    for (let tries = 1;; tries += 1) {
      const tcp = TcpRelay.listen(target);
      try {
        const relay = new NetworkRelay(tcp, UdpRelay.listen(tcp.port, target, seed), seed);
        relay.shape(checked);
        return relay;
      } catch (error) {
        // deno-lint-ignore no-await-in-loop -- the port is given back before another one is tried
        await tcp[Symbol.asyncDispose]();
        if (!(error instanceof Deno.errors.AddrInUse) || tries === PORT_TRIES) throw error;
      }
    }
  }

  /** `host:port`, for TCP and UDP alike. */
  get endpoint(): string {
    return formatEndpoint({ host: "127.0.0.1", port: this.#tcp.port });
  }

  get counters(): NetworkCounters {
    return {
      toTarget: this.#udp.counters("toTarget"),
      toClient: this.#udp.counters("toClient"),
      flows: this.#udp.flowCount,
      rebinds: this.#udp.rebindCount,
      connections: this.#tcp.connectionCount,
    };
  }

  /** The ports under which the target sees the clients by UDP, the oldest flow first. */
  get sourcePorts(): readonly number[] {
    return this.#udp.sourcePorts;
  }

  /** Changes what happens to datagrams from now on, in one direction or in both. What is not named stays. */
  shape(changes: Partial<LinkConditions>, direction?: Direction): void {
    for (const each of direction === undefined ? ["toTarget", "toClient"] as const : [direction]) {
      this.#udp.change(each, changes);
    }
  }

  /** Datagrams vanish in both directions, those under way too, and nobody is told: a firewall that drops UDP. */
  blockUdp(): void {
    this.#udp.block();
  }

  /** Ends {@linkcode NetworkRelay.blockUdp}. */
  unblockUdp(): void {
    this.#udp.unblock();
  }

  /**
   * Moves each flow to a fresh source port: a NAT that lost its mapping, or a node whose address changed. What the
   * target still sends to the old port is lost.
   */
  rebind(): void {
    this.#udp.rebind();
  }

  /** What happens to TCP; open at first. */
  get tcp(): TcpState {
    return this.#tcp.state;
  }

  set tcp(state: TcpState) {
    this.#tcp.state = state;
  }

  /** Closes everything. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#tcp[Symbol.asyncDispose](), this.#udp[Symbol.asyncDispose]()]);
  }
}
