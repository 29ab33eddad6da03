import { createHmac } from "node:crypto";
import {
  expandLabel,
  PACKET_NUMBER_BYTES,
  type PacketKeys,
  packetKeys,
  protectPacket,
  TAG_BYTES,
} from "./packet_protection.ts";

/** RFC 9001, section 5.2: the salt of QUIC version 1. */
const INITIAL_SALT = Uint8Array.fromHex("38762cf7f55934b34d179ae6a4c80cadccbb7f0a");

/** The version that this module writes; others are not answered. */
export const QUIC_VERSION_1 = 1;

const CONNECTION_CLOSE_FRAME = 0x1c;

/** Longest reason that is written; keeps every length in one byte or two. */
const MAX_REASON_BYTES = 63;

/** What is known of the Initial packet that is refused. */
export interface RefusedInitial {
  readonly version: number;
  /** The client's connection id. */
  readonly clientId: Uint8Array;
  /** The connection id that the client sent its packet to; the keys come from it. */
  readonly serverId: Uint8Array;
}

/**
 * An Initial packet with nothing but a CONNECTION_CLOSE frame, so that a client learns at once why it is not let in and
 * nothing of its connection is kept (RFC 9000, sections 5.2.2 and 10.2.3; protection: RFC 9001, section 5).
 *
 * @param code A transport error code below 64.
 * @returns The datagram, or undefined for a version that has other keys.
 */
export function initialRefusal(refused: RefusedInitial, code: number, reason: string): Uint8Array | undefined {
  const { version, clientId, serverId } = refused;
  if (version !== QUIC_VERSION_1) return undefined;
  const frame = connectionClose(code, reason);
  const length = PACKET_NUMBER_BYTES + frame.length + TAG_BYTES;
  const header = Uint8Array.of(
    0xc0 | (PACKET_NUMBER_BYTES - 1),
    ...[0, 0, 0, version],
    clientId.length,
    ...clientId,
    serverId.length,
    ...serverId,
    // No token; the length in two bytes.
    ...[0, 0x40 | (length >> 8), length & 0xff],
    // Packet number 0.
    ...[0, 0, 0, 0],
  );
  return protectPacket(header, frame, serverInitialKeys(serverId));
}

/** The keys of the server's Initial packets for a client that sent to `serverId`. Exported for the RFC's vectors. */
export function serverInitialKeys(serverId: Uint8Array): PacketKeys {
  const initialSecret = createHmac("sha256", INITIAL_SALT).update(serverId).digest();
  return packetKeys(expandLabel(initialSecret, "server in", 32));
}

function connectionClose(code: number, reason: string): Uint8Array {
  const words = new TextEncoder().encode(reason).subarray(0, MAX_REASON_BYTES);
  // The frame type that caused it is unknown: 0.
  return Uint8Array.of(CONNECTION_CLOSE_FRAME, code, 0, words.length, ...words);
}
