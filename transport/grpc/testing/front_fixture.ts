import * as grpc from "@grpc/grpc-js";
import type { PalyraError } from "../../../identity/palyra_error.ts";
import { HealthCheckResponse_ServingStatus, HealthClient, HealthService } from "../../../proto/gen/health.ts";
import { NODE_RPC_LIMITS } from "../../transport_limits.ts";
import { installHttp2Guard } from "../http2_guard.ts";
import type { ServerTlsMaterial } from "../../server_tls_material.ts";
import { type FrontMode, TlsFront, type TlsFrontOptions } from "../tls_front.ts";
import type { TestIdentity } from "../../testing/test_pki.ts";

/** A {@linkcode TlsFront} that listens, with a gRPC server behind it that says it is healthy. */
export interface FrontFixture extends AsyncDisposable {
  readonly front: TlsFront;
  readonly port: number;
  /** Whom it did not let in, and why. */
  readonly refusals: { readonly remoteAddress: string; readonly error: PalyraError }[];
  /** Resolves with the next refusal. */
  nextRefusal(): Promise<PalyraError>;
}

/** Starts one on a free port. */
export async function startFront(
  mode: FrontMode,
  material: ServerTlsMaterial,
  options: Partial<TlsFrontOptions> = {},
): Promise<FrontFixture> {
  installHttp2Guard();
  const server = new grpc.Server();
  server.addService(HealthService, {
    check: (_call: unknown, callback: grpc.sendUnaryData<unknown>) =>
      callback(null, { status: HealthCheckResponse_ServingStatus.SERVING }),
  });
  const refusals: FrontFixture["refusals"] = [];
  let waiting: ((error: PalyraError) => void) | undefined;
  const front = new TlsFront(server, {
    mode,
    tls: material,
    onRefused: (remoteAddress, error) => {
      refusals.push({ remoteAddress, error });
      waiting?.(error);
    },
    limits: NODE_RPC_LIMITS,
    ...options,
  });
  await front.listen("127.0.0.1", 0);
  return {
    front,
    port: front.address?.port ?? 0,
    refusals,
    nextRefusal: () => new Promise((resolve) => waiting = resolve),
    async [Symbol.asyncDispose]() {
      const closed = front.close();
      front.destroyConnections();
      server.forceShutdown();
      await closed;
    },
  };
}

/** A client of the fixture's health service. */
export function healthClient(port: number, ca: TestIdentity, identity?: TestIdentity): HealthClient & Disposable {
  const credentials = grpc.credentials.createSsl(
    Buffer.from(ca.certificatePem),
    identity === undefined ? null : Buffer.from(identity.keyPem),
    identity === undefined ? null : Buffer.from(identity.certificatePem),
  );
  const client = new HealthClient(`127.0.0.1:${port}`, credentials, {
    "grpc.ssl_target_name_override": "palyrad",
    "grpc.use_local_subchannel_pool": 1,
  });
  return Object.assign(client, { [Symbol.dispose]: () => client.close() });
}

/** One health check; resolves with the error, or undefined when the server answered. */
export function check(client: HealthClient): Promise<grpc.ServiceError | undefined> {
  const { promise, resolve } = Promise.withResolvers<grpc.ServiceError | undefined>();
  client.check(
    { service: "" },
    new grpc.Metadata(),
    { deadline: Date.now() + 10_000 },
    (error) => resolve(error ?? undefined),
  );
  return promise;
}
