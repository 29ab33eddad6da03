import type { Http2Server, ServerHttp2Stream } from "node:http2";
import type { Server } from "@grpc/grpc-js";

/** What precedes a message: a flag and its length (gRPC over HTTP/2, "Length-Prefixed-Message"). */
const PREFIX_BYTES = 5;

/**
 * Drops each connection of `server` on which a request has not arrived whole within `timeoutMs` milliseconds, or is
 * followed by another message. For servers all of whose requests are single messages.
 *
 * grpc-js has neither bound. Without the first a stranger may leave requests unfinished for ever, or go on sending on a
 * call that was refused long ago; without the second, thousands of empty messages fit into one flow-control window,
 * each of which costs grpc-js some eighty times its size. Answers may take as long as they like.
 *
 * Call it after the connection injector was made: its HTTP/2 server is what is being watched. grpc-js keeps that to
 * itself, but its interceptors, which are public, come too late for either purpose.
 */
export function guardRequests(server: Server, timeoutMs: number): void {
  for (const http2Server of http2ServersOf(server)) {
    http2Server.on("stream", (stream: ServerHttp2Stream) => guardRequest(stream, timeoutMs));
  }
}

function guardRequest(stream: ServerHttp2Stream, timeoutMs: number): void {
  // A stream that is closed has no session any more.
  const { session } = stream;
  const drop = () => session?.destroy();
  const timer = setTimeout(drop, timeoutMs);
  const clear = () => clearTimeout(timer);
  stream.once("end", clear);
  stream.once("close", clear);

  const prefix = new Uint8Array(PREFIX_BYTES);
  let received = 0;
  // Before grpc-js, which does not look into what comes on a destroyed stream.
  stream.prependListener("data", (bytes: Uint8Array) => {
    if (received < PREFIX_BYTES) prefix.set(bytes.subarray(0, PREFIX_BYTES - received), received);
    received += bytes.length;
    if (received <= PREFIX_BYTES || received <= PREFIX_BYTES + new DataView(prefix.buffer).getUint32(1)) return;
    drop();
  });
}

function http2ServersOf(server: Server): Http2Server[] {
  const servers: unknown = Reflect.get(server, "http2Servers");
  if (!(servers instanceof Map) || servers.size === 0) {
    throw new TypeError("this grpc-js keeps its HTTP/2 servers elsewhere, so its requests cannot be watched");
  }
  return [...servers.keys()];
}
