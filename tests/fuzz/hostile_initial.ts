import { concat, extend, flipBits, mutateBytes, truncate } from "./byte_mutation.ts";
import type { Chance } from "../harness/chance.ts";
import { type InitialPacket, sealInitial } from "./initial_packet.ts";
import { varint } from "./long_header.ts";

/** Frames that may be in an Initial packet (RFC 9000, section 12.4), and one that may be nowhere in it. */
const FRAME = { padding: 0x00, ping: 0x01, ack: 0x02, crypto: 0x06, close: 0x1c } as const;

/** A datagram that carries an Initial packet has at least so many bytes (RFC 9000, section 14.1). */
const MIN_DATAGRAM_BYTES = 1_200;

/** What a sealed Initial packet has that no mutation of a sealed one could give it. */
export const HOSTILE_INITIAL_KINDS = [
  "hello",
  "helloChanged",
  "helloCut",
  "helloInPieces",
  "helloOverlapping",
  "cryptoFar",
  "cryptoGaps",
  "ackNonsense",
  "closed",
  "pings",
  "forbiddenFrames",
  "noiseFrames",
  "reservedBits",
  "wrongKeys",
  "otherVersion",
  "notPadded",
] as const;

/** One of {@linkcode HOSTILE_INITIAL_KINDS}. */
export type HostileInitialKind = (typeof HOSTILE_INITIAL_KINDS)[number];

/** To whom a packet goes, and on whose behalf. */
export interface InitialAddress {
  readonly destinationId: Uint8Array;
  readonly sourceId: Uint8Array;
  readonly token: Uint8Array;
}

/**
 * A well protected Initial packet whose frames are hostile: it reaches what lies behind the decryption.
 *
 * @param hello A real ClientHello.
 */
export function hostileInitial(
  chance: Chance,
  hello: Uint8Array,
  address: InitialAddress,
  kind: HostileInitialKind = chance.one(HOSTILE_INITIAL_KINDS),
): Uint8Array {
  const frames = hostileFrames(chance, hello, kind);
  // The header comes on top of it, which does no harm.
  const padded = new Uint8Array(Math.max(frames.length, kind === "notPadded" ? 4 : MIN_DATAGRAM_BYTES));
  padded.set(frames);
  const packet: InitialPacket = {
    ...address,
    version: kind === "otherVersion" ? chance.one([0x6b3343cf, 0xff00001d, 0x0a1a2a3a]) : 1,
    packetNumber: chance.oneIn(3) ? chance.below(2 ** 32) : chance.below(8),
    payload: padded,
    ...(kind === "wrongKeys" && { keyId: chance.bytes(8) }),
    ...(kind === "reservedBits" && { firstByteFlips: 0x04 << chance.below(4) }),
  };
  return sealInitial(packet);
}

/** A packet that a server answers, when it is alive, whatever else it thinks of the client. */
export function helloInitial(hello: Uint8Array, address: InitialAddress): Uint8Array {
  const frame = cryptoFrame(0, hello);
  const payload = new Uint8Array(Math.max(frame.length, MIN_DATAGRAM_BYTES));
  payload.set(frame);
  return sealInitial({ ...address, version: 1, packetNumber: 0, payload });
}

/** The ClientHello in the frames of an Initial packet; undefined when it is not there in one frame. */
export function helloOf(payload: Uint8Array): Uint8Array | undefined {
  for (let at = 0; at < payload.length;) {
    if (payload[at] === FRAME.padding || payload[at] === FRAME.ping) {
      at++;
      continue;
    }
    if (payload[at] !== FRAME.crypto || payload[at + 1] !== 0) return undefined;
    const first = payload[at + 2] ?? 0;
    const [length, start] = first < 0x40 ? [first, at + 3] : [(first & 0x3f) * 256 + (payload[at + 3] ?? 0), at + 4];
    return payload.slice(start, start + length);
  }
  return undefined;
}

function hostileFrames(chance: Chance, hello: Uint8Array, kind: HostileInitialKind): Uint8Array {
  switch (kind) {
    case "hello":
    case "reservedBits":
    case "wrongKeys":
    case "otherVersion":
    case "notPadded":
      return cryptoFrame(0, hello);
    case "helloChanged":
      return cryptoFrame(0, chance.oneIn(2) ? flipBits(chance, hello) : mutateBytes(chance, hello));
    case "helloCut":
      return cryptoFrame(0, truncate(chance, hello));
    case "helloInPieces":
      return concat(...chance.shuffled(pieces(chance, hello)));
    case "helloOverlapping":
      return concat(...Array.from({ length: 6 }, () => {
        const from = chance.below(hello.length);
        return cryptoFrame(from, extend(chance, hello.subarray(from, from + 150), 20));
      }));
    case "cryptoFar":
      return cryptoFrame(chance.one([2 ** 14, 2 ** 16, 2 ** 20, 2 ** 30, 2 ** 52]), chance.bytes(chance.below(1_000)));
    case "cryptoGaps":
      return concat(
        ...Array.from({ length: chance.between(2, 150) }, (_, index) => cryptoFrame(2 + index * 3, chance.bytes(1))),
      );
    case "ackNonsense":
      return ackFrame(chance);
    case "closed":
      return concat(
        Uint8Array.of(FRAME.close),
        varint(chance.below(2 ** 14)),
        varint(chance.below(64)),
        varint(chance.one([0, 5, 16_383])),
        chance.bytes(5),
      );
    case "pings":
      return new Uint8Array(chance.between(1, 1_100)).fill(FRAME.ping);
    case "forbiddenFrames":
      // RESET_STREAM to HANDSHAKE_DONE and beyond: none of them may come before the handshake is over.
      return concat(Uint8Array.of(chance.between(0x03, 0x32)), chance.bytes(chance.between(1, 200)));
    case "noiseFrames":
      return chance.bytes(chance.between(4, 1_100));
  }
}

function pieces(chance: Chance, hello: Uint8Array): Uint8Array[] {
  const frames: Uint8Array[] = [];
  for (let at = 0; at < hello.length;) {
    const piece = hello.subarray(at, at + chance.between(1, 80));
    frames.push(cryptoFrame(at, piece));
    at += piece.length;
  }
  return frames;
}

function ackFrame(chance: Chance): Uint8Array {
  const number = () => varint(chance.one([0, 1, 63, 2 ** 20, 2 ** 40, chance.below(1_000)]));
  const ranges = chance.below(20);
  const told = chance.oneIn(3) ? varint(2 ** 40) : varint(ranges);
  return concat(
    Uint8Array.of(FRAME.ack),
    number(),
    number(),
    told,
    number(),
    ...Array.from({ length: ranges * 2 }, number),
  );
}

function cryptoFrame(offset: number, data: Uint8Array): Uint8Array {
  return concat(Uint8Array.of(FRAME.crypto), varint(offset), varint(data.length, 2), data);
}
