import { type NativeConfig, quiche } from "./quiche_addon.ts";
import type { QuicTransportLimits } from "./quic_transport_limits.ts";

/** The application protocol of this project's QUIC (design section 4). */
export const QUIC_ALPN = "palyra-quic-v1";

/** What one end shows and whom it believes. */
export interface QuicIdentity {
  readonly caPem: readonly string[];
  /** The leaf first. Undefined at a client that shows none. */
  readonly certificatePem: string | undefined;
  readonly keyPem: string | undefined;
}

/** Largest UDP payload that is sent: what nearly every path takes without fragments. */
export const MAX_SENT_DATAGRAM_BYTES = 1_350;

/** Largest UDP payload that is taken: what fits into one Ethernet frame. */
const MAX_RECEIVED_DATAGRAM_BYTES = 1_500;

/** What a peer may send on one stream, or on all of a connection, before it is read, in bytes. */
const STREAM_WINDOW_BYTES: number = 1024 * 1024;
const CONNECTION_WINDOW_BYTES: number = 4 * 1024 * 1024;

/**
 * Connection ids of the peer that are kept at once, the fewest there can be (RFC 9000, section 18.2): a whole new set of
 * them, which a client is given with each change of its address, is then soonest complete.
 */
const PEER_CONNECTION_IDS = 2;

const SIGNATURE_ALGORITHMS = "ed25519:ecdsa_secp256r1_sha256:ecdsa_secp384r1_sha384:rsa_pss_rsae_sha256";

/**
 * The native configuration of one connection. Each has its own, with its own TLS context: a session ticket of one means
 * nothing to the next, so no connection can skip the certificate check by resuming another.
 *
 * Throws what the addon says when certificate or key cannot be read.
 */
export function nativeConfig(
  identity: QuicIdentity,
  limits: QuicTransportLimits,
  alpn: string = QUIC_ALPN,
): NativeConfig {
  const text = new TextEncoder();
  const { caPem, certificatePem, keyPem } = identity;
  const config = quiche().Config.withBoringSslCtx(
    true,
    false,
    text.encode(caPem.join("\n")),
    keyPem === undefined ? null : [text.encode(keyPem)],
    certificatePem === undefined ? null : [text.encode(certificatePem)],
    SIGNATURE_ALGORITHMS,
  );
  config.setApplicationProtos([alpn]);
  config.setMaxIdleTimeout(limits.idleTimeoutMs);
  config.setMaxRecvUdpPayloadSize(MAX_RECEIVED_DATAGRAM_BYTES);
  config.setMaxSendUdpPayloadSize(MAX_SENT_DATAGRAM_BYTES);
  config.setInitialMaxData(CONNECTION_WINDOW_BYTES);
  config.setMaxConnectionWindow(CONNECTION_WINDOW_BYTES);
  config.setInitialMaxStreamDataBidiLocal(STREAM_WINDOW_BYTES);
  config.setInitialMaxStreamDataBidiRemote(STREAM_WINDOW_BYTES);
  config.setInitialMaxStreamDataUni(STREAM_WINDOW_BYTES);
  config.setMaxStreamWindow(STREAM_WINDOW_BYTES);
  config.setInitialMaxStreamsBidi(limits.maxBidirectionalStreams);
  config.setInitialMaxStreamsUni(limits.maxUnidirectionalStreams);
  config.setActiveConnectionIdLimit(PEER_CONNECTION_IDS);
  config.grease(true);
  return config;
}
