import { TRANSPORT_CODE } from "./quic_code.ts";
import type { NativeConnection } from "./quiche_addon.ts";

/** How a connection ended. */
export interface QuicClose {
  /** `network`: it timed out, or was broken off before it could say why. */
  readonly by: "local" | "peer" | "network";
  /** Whether `code` is one of the application (`APPLICATION_CODE`) or of the transport and TLS. */
  readonly application: boolean;
  readonly code: number;
  /** The words that came with the code. From the peer: not to be trusted, at most one datagram long. */
  readonly reason: string;
}

/** How the native connection has ended; undefined while it has not. */
export function nativeClose(native: NativeConnection): QuicClose | undefined {
  const peerError = native.peerError();
  if (peerError !== null) return { by: "peer", ...wordsOf(peerError) };
  const localError = native.localError();
  if (localError !== null) return { by: "local", ...wordsOf(localError) };
  if (!native.isClosed()) return undefined;
  const reason = native.isTimedOut() ? "idle_timeout" : "the other side does not know this connection any more";
  return { by: "network", application: false, code: TRANSPORT_CODE.noError, reason };
}

function wordsOf(error: NonNullable<ReturnType<NativeConnection["peerError"]>>): Omit<QuicClose, "by"> {
  const { isApp: application, errorCode: code, reason } = error;
  return { application, code, reason: new TextDecoder().decode(new Uint8Array(reason)) };
}
