import * as net from "node:net";
import type { Endpoint } from "../../identity/endpoint.ts";
import { formatEndpoint } from "../../identity/endpoint.ts";

/** A TCP relay from whose other side connections come from another loopback address: a machine somewhere else. */
export class MovedRelay implements AsyncDisposable {
  readonly #server: net.Server;
  readonly #sockets = new Set<net.Socket>();

  private constructor(server: net.Server) {
    this.#server = server;
  }

  /** Passes on what comes to a free port of 127.0.0.1, as if it came from `address`. */
  static async listen(target: Endpoint, address: string): Promise<MovedRelay> {
    const server = net.createServer();
    const relay = new MovedRelay(server);
    server.on("connection", (near) => {
      const far = net.connect({ host: target.host, port: target.port, localAddress: address });
      for (const [socket, other] of [[near, far], [far, near]] as const) {
        relay.#sockets.add(socket);
        socket.on("error", () => other.destroy());
        socket.on("close", () => {
          relay.#sockets.delete(socket);
          other.destroy();
        });
        socket.pipe(other);
      }
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return relay;
  }

  get endpoint(): string {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("the relay does not listen");
    return formatEndpoint({ host: "127.0.0.1", port: address.port });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    const ends = [...this.#sockets].map((socket) => new Promise((resolve) => socket.once("close", resolve)));
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all([closed, ...ends]);
  }
}
