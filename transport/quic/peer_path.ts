import { getLogger } from "@logtape/logtape";
import { formatRemoteAddress } from "../remote_address.ts";
import { destinationOf } from "./connection_id.ts";
import type { IssuedIds } from "./issued_ids.ts";
import { PeerAddress } from "./peer_address.ts";
import type { Host, NativeConnection } from "./quiche_addon.ts";
import { sameAddress } from "./udp_address.ts";

const logger = getLogger(["palyra", "transport", "quic"]);

/** What the way to a peer is made of. */
export interface PeerPathOptions {
  readonly native: NativeConnection;
  /** Where the handshake is made with. */
  readonly remote: Host;
  readonly local: Host;
  /** The ids of this side; undefined at a client, whose daemon stays where it is. */
  readonly ids: IssuedIds | undefined;
  /** How long a new address may take to be proven, in milliseconds. */
  readonly proofMs: number;
  /** It goes somewhere else now, or may take more. Not called within {@linkcode PeerPath.receive}. */
  readonly onChange: () => void;
}

/**
 * The way between the native library and a peer whose address may change (RFC 9000, section 9). The native library
 * believes that the peer stays where it was at first: quiche 0.18 keeps a loss recovery of its own for each address, and
 * what was on its way to one that is gone it repeats at the new one in part only, so that a stream would stand still for
 * ever. It thereby keeps its estimate of the line too, which section 9.4 would have begun anew.
 *
 * A peer proves its new address by using a connection id that went there and nowhere else.
 */
export class PeerPath {
  readonly #options: PeerPathOptions;
  readonly #native: NativeConnection;
  readonly #ids: IssuedIds | undefined;
  readonly #address: PeerAddress;
  /** What the native library is told of each datagram. */
  readonly #nominal: { readonly from: Host; readonly to: Host };
  #proofTimer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  constructor(options: PeerPathOptions) {
    this.#options = options;
    this.#native = options.native;
    this.#ids = options.ids;
    this.#address = new PeerAddress(options.remote);
    this.#nominal = { from: options.remote, to: options.local };
  }

  /** Where to send to. */
  get present(): Host {
    return this.#address.present;
  }

  /** Where the peer is or was for certain. */
  get proven(): Host {
    return this.#address.proven;
  }

  /** Bytes of datagrams that may be sent now; all of them to {@linkcode present}. */
  get allowance(): number {
    return this.#address.allowance;
  }

  /** A datagram of `bytes` was sent. */
  sent(bytes: number): void {
    this.#address.sent(bytes);
  }

  /** Whether datagrams from there are looked at: a daemon stays where it is. */
  admits(from: Host): boolean {
    return this.#ids !== undefined || sameAddress(from, this.#address.present);
  }

  /** Gives the native library a datagram. Throws what it throws. */
  receive(datagram: Uint8Array, from: Host): void {
    const ids = this.#closed ? undefined : this.#ids;
    const isExpected = this.#address.isProven && sameAddress(from, this.#address.present);
    try {
      if (isExpected || ids === undefined) this.#native.recv(datagram, this.#nominal);
      else this.#receiveAndFollow(datagram, from, ids);
    } finally {
      ids?.noticeRetired();
    }
  }

  /** Follows nobody any more. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#proofTimer);
    this.#ids?.end();
  }

  #receiveAndFollow(datagram: Uint8Array, from: Host, ids: IssuedIds): void {
    const id = destinationOf(datagram);
    // The native library counts what is authentic and new.
    const before = this.#native.stats().recv;
    this.#native.recv(datagram, this.#nominal);
    if (this.#native.stats().recv === before) return;
    if (!this.#address.isProven && sameAddress(from, this.#address.present) && id !== undefined && ids.isFresh(id)) {
      return this.#prove(ids);
    }
    // A handshake ends where it began (RFC 9000, section 9).
    if (!this.#native.isEstablished() || !ids.canIssue) return;
    const left = this.#address.present;
    switch (this.#address.heard(from, datagram.length)) {
      case "moved":
        this.#log("moved", left);
        return this.#startProof(ids);
      case "returned":
        this.#log("returned", left);
        return this.#stopProof(ids);
    }
  }

  #startProof(ids: IssuedIds): void {
    this.#stopProof(ids);
    ids.begin();
    this.#proofTimer = setTimeout(() => {
      const left = this.#address.present;
      this.#address.giveUp();
      this.#log("not proven in time", left);
      this.#stopProof(ids);
      this.#options.onChange();
    }, this.#options.proofMs);
  }

  #stopProof(ids: IssuedIds): void {
    clearTimeout(this.#proofTimer);
    ids.end();
  }

  #prove(ids: IssuedIds): void {
    const left = this.#address.proven;
    this.#address.prove();
    this.#stopProof(ids);
    this.#log("proven", left);
  }

  #log(what: string, left: Host): void {
    const [from, to] = [left, this.#address.present].map(({ host, port }) => formatRemoteAddress(host, port));
    logger.debug("The address of a QUIC peer: {what}, {from} -> {to}", { what, from, to });
  }
}
