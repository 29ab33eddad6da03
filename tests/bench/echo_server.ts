/**
 * The yardstick of the benchmark: a gRPC server on this project's own listener (TLS front, guard, limits) whose one
 * method hands its bytes back. Prints `host:port` and serves until it is ended.
 *
 * Arguments: CA, certificate chain and key, as PEM files.
 *
 * @module
 */
import { GrpcListener } from "../../transport/grpc/grpc_listener.ts";
import { ECHO_METHOD } from "./echo_method.ts";

const [ca = "", certificate = "", key = ""] = await Promise.all(Deno.args.map((path) => Deno.readTextFile(path)));
const listener = await GrpcListener.start({
  hostname: "127.0.0.1",
  port: 0,
  mode: { kind: "mutual", authorize: () => undefined },
  tls: { certificatePem: certificate, keyPem: key, clientCaPem: [ca] },
  services: (server) =>
    server.addService({ echo: ECHO_METHOD }, {
      echo: (call: { request: unknown }, callback: (error: null, response: unknown) => void) =>
        callback(null, call.request),
    }),
  onRefused: () => {},
});
const { hostname, port } = listener.address;
Deno.stdout.writeSync(new TextEncoder().encode(`${hostname}:${port}\n`));
