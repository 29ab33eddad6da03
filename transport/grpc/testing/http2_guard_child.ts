/**
 * A process that meets a peer which ends connections, run by http2_guard_test.ts: `<guarded|bare> <scenario>`.
 * It prints `alive` when it survived.
 */
import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import http2 from "node:http2";
import net from "node:net";
import * as grpc from "@grpc/grpc-js";
import { PalyraError } from "../../../identity/palyra_error.ts";
import { HealthClient, HealthService } from "../../../proto/gen/health.ts";
import { installHttp2Guard } from "../http2_guard.ts";
import {
  CLIENT_PREFACE_BYTES,
  clientPreface,
  concat,
  FrameTypeReader,
  goawayFrame,
  HEADERS_TYPE,
  headersFrame,
  openHeadersFrame,
  overflowFrame,
  RST_STREAM_TYPE,
  settingsFrame,
} from "./http2_frames.ts";

const ROUNDS = 10;

async function startServer(): Promise<{ server: grpc.Server; port: number }> {
  const server = new grpc.Server();
  server.addService(HealthService, {});
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  server.bindAsync(
    "127.0.0.1:0",
    grpc.ServerCredentials.createInsecure(),
    (error, port) => error === null ? resolve(port) : reject(error),
  );
  return { server, port: await promise };
}

/** Says `bytes` on a new connection and waits until the server has reset the stream or closed the connection. */
async function say(port: number, bytes: Uint8Array): Promise<void> {
  const socket = net.connect(port, "127.0.0.1");
  socket.on("error", () => {});
  const reader = new FrameTypeReader(0);
  socket.on("data", (answer: Uint8Array) => {
    if (reader.read(answer).includes(RST_STREAM_TYPE)) socket.destroy();
  });
  const closed = once(socket, "close");
  socket.write(bytes);
  await closed;
}

async function serverMeets(bytes: Uint8Array): Promise<void> {
  const { server, port } = await startServer();
  for (let round = 0; round < ROUNDS; round++) {
    // deno-lint-ignore no-await-in-loop -- one connection after the other is the scenario
    await say(port, bytes);
  }
  server.forceShutdown();
}

async function clientMeetsGoaway(): Promise<void> {
  const peer = net.createServer((socket) => {
    socket.on("error", () => {});
    socket.write(settingsFrame());
    const reader = new FrameTypeReader(CLIENT_PREFACE_BYTES);
    socket.on("data", (bytes: Uint8Array) => {
      if (!reader.read(bytes).includes(HEADERS_TYPE)) return;
      const answer = { ":status": "200", "content-type": "application/grpc", "grpc-status": "7" };
      socket.write(headersFrame(1, answer));
    });
  });
  peer.listen(0, "127.0.0.1");
  await once(peer, "listening");
  const sockets: net.Socket[] = [];
  peer.on("connection", (socket) => sockets.push(socket));
  const { port } = peer.address() as net.AddressInfo;
  for (let round = 0; round < ROUNDS; round++) {
    const client = new HealthClient(`127.0.0.1:${port}`, grpc.credentials.createInsecure(), {
      "grpc.use_local_subchannel_pool": 1,
    });
    const { promise, resolve } = Promise.withResolvers<grpc.ServiceError | null>();
    client.check({ service: "" }, resolve);
    // deno-lint-ignore no-await-in-loop -- one connection after the other is the scenario
    assert.equal((await promise)?.code, grpc.status.PERMISSION_DENIED);
    const socket = sockets[round];
    assert.ok(socket);
    socket.write(goawayFrame(1));
    // deno-lint-ignore no-await-in-loop -- as above
    if (!socket.closed) await once(socket, "close");
    client.close();
  }
  peer.close();
}

/** The code of the error on a runtime whose HTTP/2 sessions are made of something else. */
function codeWithUnknownInternals(): string {
  http2.connect = (() => Object.assign(new EventEmitter(), { destroy() {} })) as unknown as typeof http2.connect;
  try {
    installHttp2Guard();
    return "no error";
  } catch (error) {
    return PalyraError.from(error).code;
  }
}

const [mode, scenario] = Deno.args;
if (scenario === "unknown_internals") {
  // deno-lint-ignore no-console -- its only report
  console.log(codeWithUnknownInternals());
  Deno.exit(0);
}
if (mode === "guarded") installHttp2Guard();
switch (scenario) {
  case "server_goaway":
    await serverMeets(concat([clientPreface(), goawayFrame(0)]));
    break;
  case "server_reset": {
    const request = {
      ":method": "POST",
      ":scheme": "http",
      ":authority": "palyrad",
      ":path": "/no/Method",
      "content-type": "application/grpc",
    };
    await serverMeets(concat([clientPreface(), openHeadersFrame(1, request), overflowFrame(1)]));
    break;
  }
  case "client_goaway":
    await clientMeetsGoaway();
    break;
  default:
    throw new TypeError(`unknown scenario: ${scenario}`);
}
// deno-lint-ignore no-console -- its only report
console.log("alive");
Deno.exit(0);
