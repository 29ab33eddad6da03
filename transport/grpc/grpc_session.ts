import type { Readable, Writable } from "node:stream";
import { BaseSession, type OutgoingMessage } from "../base_session.ts";
import type { PeerCertificate } from "../session.ts";

/** What a message costs beside its bytes while it waits in grpc-js. */
const MESSAGE_OVERHEAD_BYTES = 256;

/** What both ends of a session over one bidirectional gRPC call have in common. */
export abstract class GrpcSession<Outgoing, Incoming, Chunk> extends BaseSession<Outgoing, Incoming, Chunk> {
  readonly transport = "grpc";
  /** grpc-js tells of whole messages only. */
  readonly receivedAt = undefined;
  readonly remoteAddress: string;
  readonly #stream: Readable & Writable;
  #backlogBytes = 0;

  constructor(stream: Readable & Writable, peer: PeerCertificate, remoteAddress: string) {
    super(peer);
    this.#stream = stream;
    this.remoteAddress = remoteAddress;
    // The end of a call is told by other events; without a listener this one would end the process.
    stream.on("error", () => {});
  }

  protected override get backlogBytes(): number {
    return this.#backlogBytes;
  }

  protected override write({ chunk, bytes }: OutgoingMessage<Chunk>): void {
    // However small it is, a message that waits costs some memory.
    const cost = bytes + MESSAGE_OVERHEAD_BYTES;
    this.#backlogBytes += cost;
    this.#stream.write(chunk, () => this.#backlogBytes -= cost);
  }

  protected override startReading(): void {
    this.#stream.on("data", (message: Incoming) => this.received(message));
  }

  protected override finish(): void {
    this.#stream.end();
    // What the other side still sends must be read, or its end is never seen.
    this.#stream.resume();
  }
}
