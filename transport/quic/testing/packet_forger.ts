import { PACKET_NUMBER_BYTES, type PacketKeys, packetKeys, protectPacket } from "../packet_protection.ts";

/** A short header whose packet number has four bytes (RFC 9000, section 17.3.1). */
const SHORT_HEADER = 0x40 | (PACKET_NUMBER_BYTES - 1);

const PING_FRAME = 0x01;
const ACK_FRAME = 0x02;

/** Makes packets of a client that no library would make: for a paired device that means harm. */
export class PacketForger {
  readonly #keys: PacketKeys;
  /** Far beyond what the client itself has used. */
  #packetNumber = 100_000;

  private constructor(keys: PacketKeys) {
    this.#keys = keys;
  }

  /** With the secrets of a client, from the file that it has written them into. */
  static async of(keyLog: string): Promise<PacketForger> {
    const secret = /^CLIENT_TRAFFIC_SECRET_0 [0-9a-f]+ ([0-9a-f]{64})$/m.exec(await Deno.readTextFile(keyLog))?.[1];
    if (secret === undefined) throw new Error("the secrets are not those of TLS_AES_128_GCM_SHA256");
    return new PacketForger(packetKeys(Uint8Array.fromHex(secret)));
  }

  /** A packet that wants an answer, and acknowledges packets that its sender has never seen: all up to number `upTo`. */
  blindAck(destinationId: Uint8Array, upTo: number): Uint8Array {
    const header = new Uint8Array(1 + destinationId.length + PACKET_NUMBER_BYTES);
    header[0] = SHORT_HEADER;
    header.set(destinationId, 1);
    new DataView(header.buffer).setUint32(header.length - PACKET_NUMBER_BYTES, this.#packetNumber++);
    const number = [0x40 | (upTo >> 8), upTo & 0xff];
    // No delay, one range, which reaches down to 0.
    const frames = Uint8Array.of(PING_FRAME, ACK_FRAME, ...number, 0, 0, ...number);
    return protectPacket(header, frames, this.#keys);
  }
}
