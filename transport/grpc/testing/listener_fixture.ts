import type { PalyraError } from "../../../identity/palyra_error.ts";
import { GrpcListener, type GrpcListenerOptions } from "../grpc_listener.ts";
import { testMaterial } from "../../testing/test_material.ts";

/** A listener with the shared test certificates. */
export interface ListenerFixture extends AsyncDisposable {
  readonly listener: GrpcListener;
  readonly port: number;
  readonly endpoint: { readonly host: string; readonly port: number };
  readonly refusals: PalyraError[];
}

/** Starts one on a free port of 127.0.0.1; mutual, letting every certificate of the test CA in, unless told otherwise. */
export async function startListener(
  options: Pick<GrpcListenerOptions, "services"> & Partial<GrpcListenerOptions>,
): Promise<ListenerFixture> {
  const { server } = await testMaterial();
  const refusals: PalyraError[] = [];
  const listener = await GrpcListener.start({
    hostname: "127.0.0.1",
    port: 0,
    mode: { kind: "mutual", authorize: () => undefined },
    tls: server,
    onRefused: (_remoteAddress, error) => refusals.push(error),
    ...options,
  });
  const { port } = listener.address;
  return {
    listener,
    port,
    endpoint: { host: "127.0.0.1", port },
    refusals,
    [Symbol.asyncDispose]: () => listener.close({ graceMs: 0 }),
  };
}
