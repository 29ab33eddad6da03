import { nextTick } from "node:process";
import { destinationOf } from "./connection_id.ts";
import type { ConnectionHost, QuicConnection } from "./quic_connection.ts";
import type { Host } from "./quiche_addon.ts";
import { type UdpCounters, UdpSocket } from "./udp_socket.ts";

/** Gets the datagrams that belong to no connection. */
export type OnUnrouted = (datagram: Uint8Array, from: Host) => void;

/** A UDP socket and the connections on it: brings each datagram to its connection, and lets them send in turn. */
export class QuicEndpoint implements ConnectionHost {
  readonly #socket: UdpSocket;
  readonly #onUnrouted: OnUnrouted;
  readonly #connections = new Map<string, QuicConnection>();
  #waiting: QuicConnection[] = [];

  private constructor(hostname: string, port: number, onUnrouted: OnUnrouted) {
    this.#onUnrouted = onUnrouted;
    this.#socket = UdpSocket.bind(hostname, port, (datagram, from) => this.#route(datagram, from));
  }

  /** Binds a socket; throws `listen_failed`. */
  static bind(hostname: string, port: number, onUnrouted: OnUnrouted = () => {}): QuicEndpoint {
    return new QuicEndpoint(hostname, port, onUnrouted);
  }

  get local(): Host {
    return this.#socket.local;
  }

  get counters(): Readonly<UdpCounters> {
    return this.#socket.counters;
  }

  /** Connections that are not quite over, handshakes included. */
  get connections(): IterableIterator<QuicConnection> {
    return this.#connections.values();
  }

  get connectionCount(): number {
    return this.#connections.size;
  }

  /** Takes up a connection. */
  add(connection: QuicConnection): void {
    this.#connections.set(connection.id, connection);
  }

  schedule(connection: QuicConnection): void {
    this.#waiting.push(connection);
    // Runs when the microtasks are through: datagrams that are there already are received before it, and worked off
    // together. setImmediate would do the same some 40 µs later.
    if (this.#waiting.length === 1) nextTick(() => this.#workOff());
  }

  takeBuffer(): Uint8Array {
    return this.#socket.takeBuffer();
  }

  giveBack(buffer: Uint8Array): void {
    this.#socket.giveBack(buffer);
  }

  send(buffer: Uint8Array, length: number, to: Host): void {
    this.#socket.send(buffer, length, to);
  }

  released(connection: QuicConnection): void {
    this.#connections.delete(connection.id);
  }

  /** Drops what is left of the connections, lets the last datagrams leave, and closes the socket. */
  async close(): Promise<void> {
    this.#flush();
    for (const connection of [...this.#connections.values()]) connection.drop();
    await this.#socket.close();
  }

  #route(datagram: Uint8Array, from: Host): void {
    const id = destinationOf(datagram);
    if (id === undefined) return;
    const connection = this.#connections.get(id);
    if (connection === undefined) this.#onUnrouted(datagram, from);
    else connection.receive(datagram, from);
  }

  /** First what has come, then, when the readers have made of it what they do at once, all that is to be sent. */
  #workOff(): void {
    for (const connection of this.#waiting) connection.workOff();
    queueMicrotask(() => nextTick(() => this.#flush()));
  }

  #flush(): void {
    const connections = this.#waiting;
    this.#waiting = [];
    for (const connection of connections) connection.flush();
  }
}
