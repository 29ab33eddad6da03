import { createCipheriv, createDecipheriv, createHmac } from "node:crypto";
import { concat } from "./byte_mutation.ts";
import { LONG_TYPE, readLongHeader, readVarint, varint } from "./long_header.ts";

/** RFC 9001, section 5.2: the salt of QUIC version 1. */
const INITIAL_SALT = Uint8Array.fromHex("38762cf7f55934b34d179ae6a4c80cadccbb7f0a");
const TAG_BYTES = 16;

/** A client's Initial packet before its protection. Everybody can make one: its keys come from its own header. */
export interface InitialPacket {
  readonly version: number;
  readonly destinationId: Uint8Array;
  readonly sourceId: Uint8Array;
  readonly token: Uint8Array;
  /** Below 2^32. */
  readonly packetNumber: number;
  /** Frames, at least three bytes of them. */
  readonly payload: Uint8Array;
  /** The keys of the packet come from this connection id. Default: `destinationId`. */
  readonly keyId?: Uint8Array;
  /** XORed into the first byte before the protection. Default: 0. */
  readonly firstByteFlips?: number;
}

/** Protects a client's Initial packet (RFC 9001, section 5), with a packet number of four bytes. */
export function sealInitial(packet: InitialPacket): Uint8Array {
  const { version, destinationId, sourceId, token, packetNumber, payload, keyId = destinationId } = packet;
  const keys = clientInitialKeys(keyId);
  const number = new Uint8Array(4);
  new DataView(number.buffer).setUint32(0, packetNumber);
  const versionBytes = new Uint8Array(4);
  new DataView(versionBytes.buffer).setUint32(0, version);
  const header = concat(
    Uint8Array.of(0xc3 ^ (packet.firstByteFlips ?? 0)),
    versionBytes,
    Uint8Array.of(destinationId.length),
    destinationId,
    Uint8Array.of(sourceId.length),
    sourceId,
    varint(token.length),
    token,
    varint(number.length + payload.length + TAG_BYTES, 2),
    number,
  );
  const cipher = createCipheriv("aes-128-gcm", keys.key, nonce(keys.iv, packetNumber)).setAAD(header);
  const sealed = concat(header, cipher.update(payload), cipher.final(), cipher.getAuthTag());
  return maskHeader(sealed, header.length - number.length, number.length, keys.headerKey);
}

/** What is in the client's Initial packet at the start of a datagram; undefined when it is none or does not open. */
export function openInitial(datagram: Uint8Array): InitialPacket | undefined {
  const header = readLongHeader(datagram);
  if (header?.type !== LONG_TYPE.initial || header.length === undefined) return undefined;
  const length = readVarint(datagram, header.length.at)?.value ?? 0;
  const packet = datagram.slice(0, header.restAt + length);
  if (packet.length < header.restAt + 4 + TAG_BYTES) return undefined;
  const keys = clientInitialKeys(header.destinationId.bytes);
  const open = maskHeader(packet, header.restAt, undefined, keys.headerKey);
  const numberBytes = 1 + ((open[0] ?? 0) & 3);
  const numberAt = header.restAt;
  const packetNumber = open.subarray(numberAt, numberAt + numberBytes).reduce((all, byte) => all * 256 + byte, 0);
  const decipher = createDecipheriv("aes-128-gcm", keys.key, nonce(keys.iv, packetNumber))
    .setAAD(open.subarray(0, numberAt + numberBytes))
    .setAuthTag(open.subarray(open.length - TAG_BYTES));
  try {
    return {
      version: header.version,
      destinationId: header.destinationId.bytes,
      sourceId: header.sourceId.bytes,
      token: header.token?.bytes ?? new Uint8Array(0),
      packetNumber,
      payload: concat(
        decipher.update(open.subarray(numberAt + numberBytes, open.length - TAG_BYTES)),
        decipher.final(),
      ),
    };
  } catch {
    return undefined;
  }
}

/** The keys of a client's Initial packets. Exported for the RFC's vectors. */
export function clientInitialKeys(
  destinationId: Uint8Array,
): { readonly key: Uint8Array; readonly iv: Uint8Array; readonly headerKey: Uint8Array } {
  const secret = expandLabel(createHmac("sha256", INITIAL_SALT).update(destinationId).digest(), "client in", 32);
  return {
    key: expandLabel(secret, "quic key", 16),
    iv: expandLabel(secret, "quic iv", 12),
    headerKey: expandLabel(secret, "quic hp", 16),
  };
}

/** HKDF-Expand-Label of RFC 8446, section 7.1, for at most one block of SHA-256. */
function expandLabel(secret: Uint8Array, label: string, length: number): Uint8Array {
  const name = new TextEncoder().encode(`tls13 ${label}`);
  const info = Uint8Array.of(0, length, name.length, ...name, 0, 1);
  return Uint8Array.from(createHmac("sha256", secret).update(info).digest().subarray(0, length));
}

function nonce(iv: Uint8Array, packetNumber: number): Uint8Array {
  const mixed = iv.slice();
  const view = new DataView(mixed.buffer);
  view.setUint32(8, view.getUint32(8) ^ packetNumber);
  return mixed;
}

/**
 * RFC 9001, section 5.4, on or off: the mask comes from a sample four bytes after the packet number begins. How many
 * bytes the number has stands in the first byte, which can be read before the mask is put on or after it is off.
 */
function maskHeader(
  packet: Uint8Array,
  numberAt: number,
  numberBytes: number | undefined,
  headerKey: Uint8Array,
): Uint8Array {
  const sample = packet.subarray(numberAt + 4, numberAt + 20);
  const cipher = createCipheriv("aes-128-ecb", headerKey, null).setAutoPadding(false);
  // Deno frees what a cipher holds at its end.
  const mask = concat(cipher.update(sample), cipher.final());
  const masked = packet.slice();
  masked[0] = (masked[0] ?? 0) ^ ((mask[0] ?? 0) & 0x0f);
  for (let index = 0; index < (numberBytes ?? 1 + ((masked[0] ?? 0) & 3)); index++) {
    masked[numberAt + index] = (masked[numberAt + index] ?? 0) ^ (mask[1 + index] ?? 0);
  }
  return masked;
}
