import { nextTick } from "node:process";
import { destinationOf } from "./connection_id.ts";
import type { ConnectionHost, QuicConnection } from "./quic_connection.ts";
import type { Host } from "./quiche_addon.ts";
import { type UdpCounters, UdpSocket } from "./udp_socket.ts";

/** Gets the datagrams that belong to no connection. */
export type OnUnrouted = (datagram: Uint8Array, from: Host) => void;

/** Ids that the peer of a connection has given back and that are kept beside the first one. What is older comes no more. */
const MAX_RETIRED_IDS = 8;

/** A UDP socket and the connections on it: brings each datagram to its connection, and lets them send in turn. */
export class QuicEndpoint implements ConnectionHost {
  readonly #socket: UdpSocket;
  readonly #onUnrouted: OnUnrouted;
  /** Where datagrams go, by the id they are addressed to; null: to nobody, as the peer has given the id back. */
  readonly #routes = new Map<string, QuicConnection | null>();
  /** The ids of each connection that are routed, the oldest first. */
  readonly #connections = new Map<QuicConnection, string[]>();
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
    return this.#connections.keys();
  }

  get connectionCount(): number {
    return this.#connections.size;
  }

  /** Takes up a connection. */
  add(connection: QuicConnection): void {
    this.#connections.set(connection, [connection.id]);
    this.#routes.set(connection.id, connection);
  }

  route(id: string, connection: QuicConnection): void {
    const ids = this.#connections.get(connection);
    if (ids === undefined) return;
    ids.push(id);
    this.#routes.set(id, connection);
  }

  retire(id: string, connection: QuicConnection): void {
    const ids = this.#connections.get(connection) ?? [];
    if (!ids.includes(id)) return;
    this.#routes.set(id, null);
    // A client knows the reset of the first id for as long as it lives: none may be sent for it while the connection does.
    const [oldest, ...others] = ids.filter((each) => each !== connection.id && this.#routes.get(each) === null);
    if (oldest === undefined || others.length < MAX_RETIRED_IDS) return;
    this.#routes.delete(oldest);
    ids.splice(ids.indexOf(oldest), 1);
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
    for (const id of this.#connections.get(connection) ?? []) this.#routes.delete(id);
    this.#connections.delete(connection);
  }

  /** Drops what is left of the connections, lets the last datagrams leave, and closes the socket. */
  async close(): Promise<void> {
    this.#flush();
    for (const connection of [...this.#connections.keys()]) connection.drop();
    await this.#socket.close();
  }

  #route(datagram: Uint8Array, from: Host): void {
    const id = destinationOf(datagram);
    if (id === undefined) return;
    const connection = this.#routes.get(id);
    if (connection === undefined) this.#onUnrouted(datagram, from);
    else connection?.receive(datagram, from);
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
