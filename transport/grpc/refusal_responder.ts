import http2 from "node:http2";
import type { TLSSocket } from "node:tls";
import type { PalyraError } from "../../identity/palyra_error.ts";
import { refusalTrailers } from "./grpc_status.ts";

/** How long a refused connection may take to ask, in milliseconds. */
const REFUSED_LINGER_MS = 3_000;

/** Refused connections that are told why at once; more are dropped without a word. */
const MAX_REFUSED_CONNECTIONS = 64;

/** Calls that one refused connection may make at once. */
const MAX_REFUSED_STREAMS = 4;

/**
 * Tells refused peers why.
 *
 * A connection whose certificate is genuine but not allowed (revoked, or of an unknown device) never reaches the gRPC
 * server. It is answered here, where there are no handlers at all: each call gets the reason, and the connection ends.
 */
export class RefusalResponder {
  readonly #sockets = new Set<TLSSocket>();

  /** Takes over a socket that nothing was read from; it is closed within three seconds. */
  answer(socket: TLSSocket, refusal: PalyraError): void {
    if (this.#sockets.size >= MAX_REFUSED_CONNECTIONS) {
      socket.destroy();
      return;
    }
    this.#sockets.add(socket);
    const timer = setTimeout(() => socket.destroy(), REFUSED_LINGER_MS);
    socket.once("close", () => {
      clearTimeout(timer);
      this.#sockets.delete(socket);
    });
    const server = http2.createServer({ settings: { maxConcurrentStreams: MAX_REFUSED_STREAMS } });
    server.on("sessionError", () => socket.destroy());
    server.on("stream", (stream: http2.ServerHttp2Stream) => {
      stream.on("error", () => {});
      stream.once("close", () => stream.session?.close());
      const headers = { ":status": 200, "content-type": "application/grpc+proto", ...refusalTrailers(refusal) };
      stream.respond(headers, { endStream: true });
      stream.resume();
    });
    server.emit("connection", socket);
  }

  /** Drops what is still open. */
  close(): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}
