import { DAEMON_SERVER_NAME } from "../../client_tls_material.ts";
import { newConnectionId } from "../connection_id.ts";
import { MAX_SENT_DATAGRAM_BYTES, nativeConfig, type QuicIdentity } from "../native_config.ts";
import { DEFAULT_QUIC_LIMITS } from "../quic_transport_limits.ts";
import { type Host, type NativeConnection, quiche } from "../quiche_addon.ts";

/** Where the client believes to be; the daemon never sees it. */
const IMAGINED: Host = { host: "127.0.0.1", port: 1 };

/** How a {@linkcode ManualClient} is unlike the project's own. */
export interface ManualClientOptions {
  /** A file that the secrets of TLS are written into, for packets that no library would make. */
  readonly keyLog?: string;
  /** How many connection ids it takes at once. Default: as many as the project's own. */
  readonly maxIds?: number;
}

/** A client whose datagrams pass through the hands of a test, which may send them from anywhere, changed or twice. */
export class ManualClient {
  readonly #native: NativeConnection;
  readonly #daemon: Host;

  constructor(daemon: Host, identity: QuicIdentity, { keyLog, maxIds }: ManualClientOptions = {}) {
    this.#daemon = daemon;
    const config = nativeConfig(identity, DEFAULT_QUIC_LIMITS);
    if (maxIds !== undefined) config.setActiveConnectionIdLimit(maxIds);
    if (keyLog !== undefined) config.logKeys();
    this.#native = quiche().Connection.connect(DAEMON_SERVER_NAME, newConnectionId(), IMAGINED, daemon, config);
    if (keyLog !== undefined) this.#native.setKeylog(keyLog);
  }

  /** What it would send now, its timers included. */
  produce(): Uint8Array[] {
    if (this.#native.timeout() === 0) this.#native.onTimeout();
    const datagrams: Uint8Array[] = [];
    for (;;) {
      const buffer = new Uint8Array(MAX_SENT_DATAGRAM_BYTES);
      const sent = this.#native.send(buffer);
      if (sent === null) return datagrams;
      datagrams.push(buffer.subarray(0, sent[0]));
    }
  }

  /** Its first datagram; the later ones of the same flight, if any, are left out. */
  produceOne(): Uint8Array {
    const [first] = this.produce();
    if (first === undefined) throw new Error("the client has nothing to send");
    return first;
  }

  /** Gives it a datagram of the daemon. */
  consume(datagram: Uint8Array): void {
    this.#native.recv(datagram.slice(), { from: this.#daemon, to: IMAGINED });
  }

  /** A packet that the daemon has to acknowledge. */
  ping(): Uint8Array {
    this.elicit();
    return this.produceOne();
  }

  /** The next packet has to be acknowledged; it is made when congestion control lets it. */
  elicit(): void {
    this.#native.sendAckEliciting();
  }

  /** Writes on a stream; a number that was not used before opens one. */
  write(streamId: number, bytes: Uint8Array): void {
    this.#native.streamSend(streamId, bytes, false);
  }

  /** Reads what has come on a stream; returns how much that was, in bytes. */
  read(streamId: number): number {
    const into = new Uint8Array(65_536);
    for (let total = 0;;) {
      const received = this.#native.streamReadable(streamId) ? this.#native.streamRecv(streamId, into) : null;
      if (received === null) return total;
      total += received[0];
    }
  }

  /** Gives up; what it says at its end is produced next. */
  close(): void {
    this.#native.close(false, 0, new Uint8Array());
  }

  /** The connection id by which it addresses the daemon now; at first the one that the daemon has chosen. */
  get daemonId(): Uint8Array {
    return new Uint8Array(this.#native.destinationId());
  }

  get isEstablished(): boolean {
    return this.#native.isEstablished();
  }

  /** Why the daemon has closed the connection. */
  get peerError(): { readonly application: boolean; readonly code: number; readonly reason: string } | undefined {
    const error = this.#native.peerError();
    if (error === null) return undefined;
    const reason = new TextDecoder().decode(new Uint8Array(error.reason));
    return { application: error.isApp, code: error.errorCode, reason };
  }
}
