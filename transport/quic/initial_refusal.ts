import { createCipheriv, createHmac } from "node:crypto";

/** RFC 9001, section 5.2: the salt of QUIC version 1. */
const INITIAL_SALT = Uint8Array.fromHex("38762cf7f55934b34d179ae6a4c80cadccbb7f0a");

/** The version that this module writes; others are not answered. */
export const QUIC_VERSION_1 = 1;

const CONNECTION_CLOSE_FRAME = 0x1c;
const TAG_BYTES = 16;
const PACKET_NUMBER_BYTES = 4;

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
  const keys = serverInitialKeys(serverId);
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
  // Packet number 0 leaves the nonce as it is.
  const cipher = createCipheriv("aes-128-gcm", keys.key, keys.iv).setAAD(header);
  const sealed = new Uint8Array([...cipher.update(frame), ...cipher.final(), ...cipher.getAuthTag()]);
  const packet = new Uint8Array(header.length + sealed.length);
  packet.set(header);
  packet.set(sealed, header.length);
  protectHeader(packet, header.length - PACKET_NUMBER_BYTES, keys.headerKey);
  return packet;
}

/** The keys of the server's Initial packets for a client that sent to `serverId`. Exported for the RFC's vectors. */
export function serverInitialKeys(
  serverId: Uint8Array,
): { readonly key: Uint8Array; readonly iv: Uint8Array; readonly headerKey: Uint8Array } {
  const initialSecret = createHmac("sha256", INITIAL_SALT).update(serverId).digest();
  const serverSecret = expandLabel(initialSecret, "server in", 32);
  return {
    key: expandLabel(serverSecret, "quic key", 16),
    iv: expandLabel(serverSecret, "quic iv", 12),
    headerKey: expandLabel(serverSecret, "quic hp", 16),
  };
}

/** HKDF-Expand-Label of RFC 8446, section 7.1, for at most one block of SHA-256. */
function expandLabel(secret: Uint8Array, label: string, length: number): Uint8Array {
  const name = new TextEncoder().encode(`tls13 ${label}`);
  const info = Uint8Array.of(0, length, name.length, ...name, 0, 1);
  return new Uint8Array(createHmac("sha256", secret).update(info).digest().subarray(0, length));
}

function connectionClose(code: number, reason: string): Uint8Array {
  const words = new TextEncoder().encode(reason).subarray(0, MAX_REASON_BYTES);
  // The frame type that caused it is unknown: 0.
  return Uint8Array.of(CONNECTION_CLOSE_FRAME, code, 0, words.length, ...words);
}

/** RFC 9001, section 5.4: the sample is taken four bytes after the packet number begins. */
function protectHeader(packet: Uint8Array, packetNumberAt: number, headerKey: Uint8Array): void {
  const sample = packet.subarray(packetNumberAt + 4, packetNumberAt + 20);
  const cipher = createCipheriv("aes-128-ecb", headerKey, null).setAutoPadding(false);
  const mask = cipher.update(sample);
  // Without it the native cipher is kept.
  cipher.final();
  packet[0] = (packet[0] ?? 0) ^ ((mask[0] ?? 0) & 0x0f);
  for (let index = 0; index < PACKET_NUMBER_BYTES; index++) {
    packet[packetNumberAt + index] = (packet[packetNumberAt + index] ?? 0) ^ (mask[1 + index] ?? 0);
  }
}
