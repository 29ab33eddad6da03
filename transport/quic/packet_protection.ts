import { createCipheriv, createHmac } from "node:crypto";

/** The length in which packet numbers are written here: the longest there is. */
export const PACKET_NUMBER_BYTES = 4;

/** What sealing adds to a payload. */
export const TAG_BYTES = 16;

/** What the packets of one direction are protected with: AES-128-GCM (RFC 9001, section 5). */
export interface PacketKeys {
  readonly key: Uint8Array;
  readonly iv: Uint8Array;
  readonly headerKey: Uint8Array;
}

/** The keys that follow from a secret of TLS (RFC 9001, section 5.1). */
export function packetKeys(secret: Uint8Array): PacketKeys {
  return {
    key: expandLabel(secret, "quic key", 16),
    iv: expandLabel(secret, "quic iv", 12),
    headerKey: expandLabel(secret, "quic hp", 16),
  };
}

/** HKDF-Expand-Label of RFC 8446, section 7.1, for at most one block of SHA-256. */
export function expandLabel(secret: Uint8Array, label: string, length: number): Uint8Array {
  const name = new TextEncoder().encode(`tls13 ${label}`);
  const info = Uint8Array.of(0, length, name.length, ...name, 0, 1);
  return new Uint8Array(createHmac("sha256", secret).update(info).digest().subarray(0, length));
}

/**
 * A protected packet. `header` ends with the packet number in {@linkcode PACKET_NUMBER_BYTES} bytes, and its first byte says
 * so. `payload` has at least 4 bytes.
 */
export function protectPacket(header: Uint8Array, payload: Uint8Array, keys: PacketKeys): Uint8Array {
  const packetNumberAt = header.length - PACKET_NUMBER_BYTES;
  const nonce = keys.iv.slice();
  for (let index = 0; index < PACKET_NUMBER_BYTES; index++) {
    const at = nonce.length - PACKET_NUMBER_BYTES + index;
    nonce[at] = (nonce[at] ?? 0) ^ (header[packetNumberAt + index] ?? 0);
  }
  const cipher = createCipheriv("aes-128-gcm", keys.key, nonce).setAAD(header);
  const sealed = new Uint8Array([...cipher.update(payload), ...cipher.final(), ...cipher.getAuthTag()]);
  const packet = new Uint8Array(header.length + sealed.length);
  packet.set(header);
  packet.set(sealed, header.length);
  protectHeader(packet, packetNumberAt, keys.headerKey);
  return packet;
}

/** RFC 9001, section 5.4: the sample is taken four bytes after the packet number begins. */
function protectHeader(packet: Uint8Array, packetNumberAt: number, headerKey: Uint8Array): void {
  const sample = packet.subarray(packetNumberAt + 4, packetNumberAt + 20);
  const cipher = createCipheriv("aes-128-ecb", headerKey, null).setAutoPadding(false);
  const mask = cipher.update(sample);
  // Without it the native cipher is kept.
  cipher.final();
  const first = packet[0] ?? 0;
  const isLong = (first & 0x80) !== 0;
  packet[0] = first ^ ((mask[0] ?? 0) & (isLong ? 0x0f : 0x1f));
  for (let index = 0; index < PACKET_NUMBER_BYTES; index++) {
    packet[packetNumberAt + index] = (packet[packetNumberAt + index] ?? 0) ^ (mask[1 + index] ?? 0);
  }
}
