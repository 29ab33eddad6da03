import type { Host } from "./quiche_addon.ts";
import { sameAddress } from "./udp_address.ts";

/** How many times the bytes that came from an address may go to it before it is proven (RFC 9000, section 8.1). */
const MAX_AMPLIFICATION = 3;

/**
 * How long what comes from an address that was just left says nothing, in milliseconds: it may be late. Whoever is heard
 * from there after this time is there again.
 */
export const LATE_MS = 250;

/** What became of an address by a datagram: `moved`: there is a new one, not proven; `returned`: back to the proven one. */
export type AddressChange = "moved" | "returned";

interface Unproven {
  readonly address: Host;
  receivedBytes: number;
  sentBytes: number;
  heardAt: number;
}

/**
 * Where the other end of a connection is. It is followed at once to wherever an authentic datagram comes from, since an
 * address that has changed leads nowhere any more; but anybody on the way can send somebody's datagram on from an address
 * of a third. So until a new address is proven it gets little, and the connection can go back.
 *
 * It keeps the last address that was proven, and one more: while that one is being proven and is heard, others wait.
 */
export class PeerAddress {
  readonly #now: () => number;
  #proven: Host;
  #unproven: Unproven | undefined;
  /** The address that was left last. */
  #left: { readonly address: Host; readonly at: number } | undefined;

  /** `first` is proven: by the handshake. `now`: a clock in milliseconds that only goes forward. */
  constructor(first: Host, now: () => number = () => performance.now()) {
    this.#proven = first;
    this.#now = now;
  }

  /** Where to send to. */
  get present(): Host {
    return this.#unproven?.address ?? this.#proven;
  }

  /** The last address of which it is certain that the peer is there, or was. */
  get proven(): Host {
    return this.#proven;
  }

  /** Whether {@linkcode present} is proven. */
  get isProven(): boolean {
    return this.#unproven === undefined;
  }

  /** Bytes of datagrams that may go to {@linkcode present} now. */
  get allowance(): number {
    if (this.#unproven === undefined) return Infinity;
    const { receivedBytes, sentBytes } = this.#unproven;
    return Math.max(0, MAX_AMPLIFICATION * receivedBytes - sentBytes);
  }

  /** A datagram of `bytes` has gone to {@linkcode present}. */
  sent(bytes: number): void {
    if (this.#unproven !== undefined) this.#unproven.sentBytes += bytes;
  }

  /** An authentic datagram of `bytes`, which was not seen before, has come from `from`. */
  heard(from: Host, bytes: number): AddressChange | undefined {
    const now = this.#now();
    const unproven = this.#unproven;
    if (sameAddress(from, this.present)) {
      if (unproven !== undefined) {
        unproven.receivedBytes += bytes;
        unproven.heardAt = now;
      }
      return undefined;
    }
    if (this.#left !== undefined && sameAddress(from, this.#left.address) && now - this.#left.at < LATE_MS) {
      return undefined;
    }
    if (unproven !== undefined && sameAddress(from, this.#proven)) {
      this.#goBack(unproven.address, now);
      return "returned";
    }
    // A second change before the first is proven: believed when the first address has fallen silent.
    if (unproven !== undefined && now - unproven.heardAt < LATE_MS) return undefined;
    this.#left = { address: this.present, at: now };
    this.#unproven = { address: from, receivedBytes: bytes, sentBytes: 0, heardAt: now };
    return "moved";
  }

  /** The peer receives what is sent to {@linkcode present}. */
  prove(): void {
    this.#proven = this.present;
    this.#unproven = undefined;
  }

  /** The peer could not prove {@linkcode present} in time: back to the proven address. */
  giveUp(): void {
    if (this.#unproven !== undefined) this.#goBack(this.#unproven.address, this.#now());
  }

  #goBack(from: Host, now: number): void {
    this.#unproven = undefined;
    this.#left = { address: from, at: now };
  }
}
