import type { Host } from "../quiche_addon.ts";
import { UdpSocket } from "../udp_socket.ts";

/** A way to a daemon for one client, whose address as the daemon sees it can change, as behind a NAT. */
export class UdpForwarder implements AsyncDisposable {
  #target: Host;
  readonly #inner: UdpSocket;
  #outer: UdpSocket;
  #client: Host | undefined;
  #opensIn = true;
  #opensOut = true;
  readonly #old: Promise<void>[] = [];

  private constructor(target: Host) {
    this.#target = target;
    this.#inner = UdpSocket.bind("127.0.0.1", 0, (datagram, from) => {
      this.#client = from;
      if (this.#opensOut) pass(this.#outer, datagram, this.#target);
    });
    this.#outer = this.#bindOuter();
  }

  static start(target: Host): UdpForwarder {
    return new UdpForwarder(target);
  }

  /** Where the client sends to. */
  get address(): Host {
    return this.#inner.local;
  }

  /** `address:port` that the daemon sees. */
  get seenAddress(): string {
    return `127.0.0.1:${this.#outer.local.port}`;
  }

  /** Where the client sends from. */
  get clientAddress(): Host {
    if (this.#client === undefined) throw new Error("the client has sent nothing yet");
    return this.#client;
  }

  /** Gives the client a datagram that the daemon has not sent. */
  forge(datagram: Uint8Array): void {
    pass(this.#inner, datagram, this.clientAddress);
  }

  /** From now on the daemon sees another port. */
  rebind(): void {
    const old = this.#outer;
    this.#outer = this.#bindOuter();
    this.#old.push(old.close());
  }

  /** From now on another daemon gets what the client sends. */
  turnTo(target: Host): void {
    this.#target = target;
  }

  /** Drops everything from now on, both ways. */
  block(): void {
    this.#opensIn = this.#opensOut = false;
  }

  /** Drops what comes to the client from now on. */
  deafen(): void {
    this.#opensIn = false;
  }

  /** Drops nothing any more. */
  open(): void {
    this.#opensIn = this.#opensOut = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#inner.close(), this.#outer.close(), ...this.#old]);
  }

  #bindOuter(): UdpSocket {
    return UdpSocket.bind("127.0.0.1", 0, (datagram) => {
      if (this.#opensIn && this.#client !== undefined) pass(this.#inner, datagram, this.#client);
    });
  }
}

function pass(socket: UdpSocket, datagram: Uint8Array, to: Host): void {
  const buffer = socket.takeBuffer();
  buffer.set(datagram);
  socket.send(buffer, datagram.length, to);
}
