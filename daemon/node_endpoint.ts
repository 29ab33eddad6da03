import { getLogger } from "@logtape/logtape";
import { PalyraError } from "../identity/palyra_error.ts";
import type { GrpcListener } from "../transport/grpc/grpc_listener.ts";
import type { QuicRuntime } from "../transport/quic/quic_runtime.ts";

const log = getLogger(["palyra", "daemon", "listener"]);

/** How many free TCP ports are tried for one that is free for UDP too. */
const PORT_TRIES = 8;

/** Where nodes connect: one address and port number, by gRPC on TCP and by QUIC on UDP. */
export interface NodeEndpoint {
  readonly grpc: GrpcListener;
  readonly quic: QuicRuntime | undefined;
  /** Why there is no QUIC; empty when there is. */
  readonly quicAbsence: string;
}

/** What {@linkcode openNodeEndpoint} needs. */
export interface NodeEndpointOptions {
  /** 0 takes one that is free for both. */
  readonly port: number;
  readonly openGrpc: (port: number) => Promise<GrpcListener>;
  /** Undefined when QUIC is switched off. */
  readonly openQuic: ((hostname: string, port: number) => QuicRuntime) | undefined;
}

/**
 * Opens both listeners. Where QUIC is `unsupported`, gRPC serves alone. Rejects with what either of them rejects with
 * otherwise; then none is open.
 */
export async function openNodeEndpoint({ port, openGrpc, openQuic }: NodeEndpointOptions): Promise<NodeEndpoint> {
  for (let tries = 1;; tries++) {
    // deno-lint-ignore no-await-in-loop -- another port only when the one before would not do
    const grpc = await openGrpc(port);
    try {
      return { grpc, ...quicBeside(grpc, openQuic) };
    } catch (error) {
      // deno-lint-ignore no-await-in-loop -- another port only when the one before would not do
      await grpc.close({ graceMs: 0 });
      if (!(error instanceof PalyraError) || error.code !== "listen_failed") throw error;
      if (port !== 0 || tries === PORT_TRIES) throw withoutQuic(error);
    }
  }
}

function quicBeside(
  { address: { hostname, port } }: GrpcListener,
  openQuic: NodeEndpointOptions["openQuic"],
): Omit<NodeEndpoint, "grpc"> {
  if (openQuic === undefined) return { quic: undefined, quicAbsence: "switched off" };
  try {
    return { quic: openQuic(hostname, port), quicAbsence: "" };
  } catch (error) {
    if (!(error instanceof PalyraError) || error.code !== "unsupported") throw error;
    log.warn("QUIC is not available here; nodes connect by gRPC.", { error });
    return { quic: undefined, quicAbsence: error.message };
  }
}

function withoutQuic(error: PalyraError): PalyraError {
  return new PalyraError(
    error.code,
    `QUIC cannot listen on UDP. ${error.message} Or do without QUIC: \`palyrad run --no-quic\`.`,
    { cause: error },
  );
}
