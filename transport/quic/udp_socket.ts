import { getLogger } from "@logtape/logtape";
import { listenError } from "../listen_error.ts";
import { MAX_SENT_DATAGRAM_BYTES } from "./native_config.ts";
import type { Host } from "./quiche_addon.ts";

const logger = getLogger(["palyra", "transport", "quic"]);

/** Buffers that are kept for the next datagrams. */
const MAX_POOLED_BUFFERS = 512;

/** Datagrams that the system has not taken yet; beyond that new ones are dropped, as a full queue on the way would. */
const MAX_SENDING = 4_096;

const RECEIVE_BUFFER_BYTES = 65_536;

/** Pause after the system could not give a datagram, in milliseconds. */
const RECEIVE_RETRY_MS = 10;

/** Counts of one socket. */
export interface UdpCounters {
  received: number;
  sent: number;
  /** Not sent: the system refused them or too many were waiting. */
  dropped: number;
}

/** A UDP socket that never throws out of an event: what the system refuses to send is lost, as it may be on the way. */
export class UdpSocket {
  readonly #socket: Deno.DatagramConn;
  readonly #pool: Uint8Array[] = [];
  readonly #receiving: Promise<void>;
  readonly counters: UdpCounters = { received: 0, sent: 0, dropped: 0 };
  /** Where it is bound. */
  readonly local: Host;
  #sending = 0;
  #onIdle: (() => void) | undefined;
  #closed = false;

  private constructor(socket: Deno.DatagramConn, onDatagram: (datagram: Uint8Array, from: Host) => void) {
    this.#socket = socket;
    const { hostname: host, port } = netAddress(socket.addr);
    this.local = { host, port };
    this.#receiving = this.#receive(onDatagram);
  }

  /**
   * Binds a socket; throws `listen_failed`.
   *
   * @param onDatagram Gets each datagram in a buffer that is used again after it has returned.
   */
  static bind(hostname: string, port: number, onDatagram: (datagram: Uint8Array, from: Host) => void): UdpSocket {
    let socket: Deno.DatagramConn;
    try {
      socket = Deno.listenDatagram({ transport: "udp", hostname, port });
    } catch (cause) {
      throw listenError(hostname, port, cause);
    }
    return new UdpSocket(socket, onDatagram);
  }

  /** A buffer for one datagram; give it to {@linkcode send} or {@linkcode giveBack}. */
  takeBuffer(): Uint8Array {
    return this.#pool.pop() ?? new Uint8Array(MAX_SENT_DATAGRAM_BYTES);
  }

  giveBack(buffer: Uint8Array): void {
    if (this.#pool.length < MAX_POOLED_BUFFERS) this.#pool.push(buffer);
  }

  /** Sends the first `length` bytes of a buffer of {@linkcode takeBuffer}, and takes the buffer back. */
  send(buffer: Uint8Array, length: number, { host, port }: Host): void {
    if (this.#closed || this.#sending >= MAX_SENDING) {
      this.counters.dropped++;
      this.giveBack(buffer);
      return;
    }
    this.#sending++;
    const over = () => {
      this.#sending--;
      this.giveBack(buffer);
      if (this.#sending === 0) this.#onIdle?.();
    };
    this.#socket.send(buffer.subarray(0, length), { transport: "udp", hostname: host, port }).then(() => {
      this.counters.sent++;
      over();
    }, () => {
      this.counters.dropped++;
      over();
    });
  }

  /** Lets what was given to {@linkcode send} leave, and closes. */
  async close(): Promise<void> {
    if (this.#closed) return await this.#receiving;
    this.#closed = true;
    if (this.#sending > 0) await new Promise<void>((resolve) => this.#onIdle = resolve);
    this.#socket.close();
    await this.#receiving;
  }

  async #receive(onDatagram: (datagram: Uint8Array, from: Host) => void): Promise<void> {
    const buffer = new Uint8Array(RECEIVE_BUFFER_BYTES);
    for (;;) {
      // deno-lint-ignore no-await-in-loop -- one datagram after the other
      const received = await this.#socket.receive(buffer).catch(() => undefined);
      if (this.#closed) return;
      if (received === undefined) {
        // An ICMP error of an earlier datagram: it says nothing about the next one. Never in a tight loop, though.
        // deno-lint-ignore no-await-in-loop -- a pause is the point
        await new Promise((resolve) => setTimeout(resolve, RECEIVE_RETRY_MS));
        continue;
      }
      const [datagram, address] = received;
      this.counters.received++;
      const { hostname: host, port } = netAddress(address);
      try {
        onDatagram(datagram, { host, port });
      } catch (error) {
        // Whatever a datagram can bring about, the next one is taken.
        logger.error("Handling a datagram failed: {error}", { error });
      }
    }
  }
}

function netAddress(address: Deno.Addr): Deno.NetAddr {
  if (address.transport !== "udp") throw new TypeError("a UDP socket has UDP addresses");
  return address;
}
