import { once } from "node:events";
import * as net from "node:net";

/**
 * A relay on loopback that connects to its target from addresses of the caller's choice: many machines, for a test that has
 * only one. The addresses must be this machine's.
 */
export class SourceRelay implements AsyncDisposable {
  readonly #server: net.Server;
  readonly #sockets = new Set<net.Socket>();

  private constructor(server: net.Server) {
    this.#server = server;
  }

  /** Listens on a free port; `sourceOf` is asked at each connection. */
  static async start(
    target: { readonly host: string; readonly port: number },
    sourceOf: () => string,
  ): Promise<SourceRelay> {
    const server = net.createServer();
    const relay = new SourceRelay(server);
    server.on("connection", (near) => {
      const far = net.connect({ ...target, localAddress: sourceOf() });
      for (const [socket, other] of [[near, far], [far, near]] as const) {
        relay.#sockets.add(socket);
        socket.on("data", (bytes) => other.write(bytes));
        socket.on("error", () => {});
        socket.on("close", () => {
          relay.#sockets.delete(socket);
          other.destroy();
        });
      }
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return relay;
  }

  /** `host:port` of the relay. */
  get address(): string {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("the relay does not listen");
    return `127.0.0.1:${address.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, "close");
  }
}
