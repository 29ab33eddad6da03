import { randomBytes } from "node:crypto";
import type { Host } from "../quiche_addon.ts";
import { UdpSocket } from "../udp_socket.ts";
import { Recorder } from "./recorder.ts";

/** A version that nobody speaks, reserved to exercise version negotiation (RFC 9000, section 15). */
export const NO_VERSION = 0x0a1a2a3a;

/** A UDP socket of a test: sends the daemon what it is told to and keeps what comes back. */
export class DatagramPeer implements AsyncDisposable {
  readonly answers = new Recorder<Uint8Array>();
  readonly #socket: UdpSocket;
  readonly #daemon: Host;
  #seen = 0;

  private constructor(daemon: Host) {
    this.#daemon = daemon;
    this.#socket = UdpSocket.bind("127.0.0.1", 0, (datagram) => this.answers.add(datagram.slice()));
  }

  /** Binds a socket and asks the daemon once: what a fresh socket sends at the very first may leave it in any order. */
  static async open(daemon: Host): Promise<DatagramPeer> {
    const peer = new DatagramPeer(daemon);
    await peer.settle();
    return peer;
  }

  /** Datagrams that came back, those that {@linkcode settle} asked for included. */
  get answerCount(): number {
    return this.answers.items.length;
  }

  send(datagram: Uint8Array): void {
    this.#socket.send(datagram.slice(), datagram.length, this.#daemon);
  }

  /**
   * Waits until the daemon has done what it does with all that was sent before, and returns what came back of it since the
   * last call.
   */
  async settle(): Promise<readonly Uint8Array[]> {
    // Asked twice: what a connection says leaves with the turn after the one in which it was asked.
    return [...await this.#ask(), ...await this.#ask()];
  }

  /** Asks a question that is always answered at once, and returns what came back before that. */
  async #ask(): Promise<readonly Uint8Array[]> {
    const seen = this.#seen;
    const id = new Uint8Array(randomBytes(8));
    this.send(longHeader({ version: NO_VERSION, type: 0, destinationId: new Uint8Array(8), sourceId: id }, 1_200));
    for (let index = seen;; index++) {
      // deno-lint-ignore no-await-in-loop -- one after the other until the own one comes
      const answer = await this.answers.at(index);
      if (!isVersionNegotiation(answer, id)) continue;
      this.#seen = index + 1;
      return this.answers.items.slice(seen, index);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#socket.close();
  }
}

/** The fields of a long header (RFC 9000, section 17.2) that a test chooses. */
export interface LongHeaderFields {
  readonly version: number;
  /** 0 Initial, 1 0-RTT, 2 Handshake, 3 Retry. */
  readonly type: number;
  readonly destinationId: Uint8Array;
  readonly sourceId: Uint8Array;
}

/** A datagram of `length` bytes that begins with a long header, and with zeros after it. */
export function longHeader({ version, type, destinationId, sourceId }: LongHeaderFields, length: number): Uint8Array {
  const datagram = new Uint8Array(length);
  datagram[0] = 0xc0 | type << 4;
  new DataView(datagram.buffer).setUint32(1, version);
  datagram.set([destinationId.length, ...destinationId, sourceId.length, ...sourceId], 5);
  return datagram;
}

/** Whether `datagram` is a Version Negotiation packet (RFC 9000, section 17.2.1) to the connection id `id`. */
export function isVersionNegotiation(datagram: Uint8Array, id: Uint8Array): boolean {
  return ((datagram[0] ?? 0) & 0x80) !== 0 && datagram.subarray(1, 5).every((byte) => byte === 0) &&
    datagram[5] === id.length && datagram.subarray(6, 6 + id.length).toHex() === id.toHex();
}
