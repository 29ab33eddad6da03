import { MAX_SENT_DATAGRAM_BYTES } from "../native_config.ts";
import type { ConnectionHost } from "../quic_connection.ts";

/** An endpoint without a socket: keeps the datagrams of a connection for a test, which has it flushed itself. */
export class MemoryHost implements ConnectionHost {
  readonly local = { host: "127.0.0.1", port: 7_444 };
  #sent: Uint8Array[] = [];

  /** What was sent since the last call. */
  take(): Uint8Array[] {
    const sent = this.#sent;
    this.#sent = [];
    return sent;
  }

  takeBuffer(): Uint8Array {
    return new Uint8Array(MAX_SENT_DATAGRAM_BYTES);
  }

  send(buffer: Uint8Array, length: number): void {
    this.#sent.push(buffer.slice(0, length));
  }

  schedule(): void {}
  giveBack(): void {}
  route(): void {}
  retire(): void {}
  released(): void {}
}
