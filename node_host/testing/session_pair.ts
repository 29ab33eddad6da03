import { fingerprintOf } from "../../identity/fingerprint.ts";
import type { ReasonCode } from "../../identity/reason_code.ts";
import { NodeEventRequest, NodeEventResponse } from "../../proto/gen/node.ts";
import type { DaemonSession, NodeSession, Session, SessionEnd, TransportName } from "../../transport/session.ts";

interface Codec<Message> {
  encode(message: Message): { finish(): Uint8Array };
  decode(bytes: Uint8Array): Message;
}

/** One end of a session in memory. Messages go through their wire form and arrive in order, in a later turn. */
class MemoryEnd<Outgoing, Incoming> implements Session<Outgoing, Incoming> {
  readonly receivedAt = undefined;
  readonly transport: TransportName;
  readonly remoteAddress = "192.0.2.1:7444";
  readonly peer = { fingerprint: fingerprintOf(new Uint8Array(1)), der: new Uint8Array(1) };
  #onMessage: ((message: Incoming) => void) | undefined;
  /** What came before the first handler was set; as on the wire, nothing is read before. */
  #unread: (() => void)[] = [];
  readonly #codec: Codec<Outgoing>;
  readonly #closed = Promise.withResolvers<SessionEnd>();
  #over = false;
  other: MemoryEnd<Incoming, Outgoing> | undefined;

  constructor(transport: TransportName, codec: Codec<Outgoing>) {
    this.transport = transport;
    this.#codec = codec;
  }

  get onMessage(): ((message: Incoming) => void) | undefined {
    return this.#onMessage;
  }

  set onMessage(handler: ((message: Incoming) => void) | undefined) {
    this.#onMessage = handler;
    const unread = this.#unread;
    this.#unread = [];
    queueMicrotask(() => {
      for (const step of unread) step();
    });
  }

  get closed(): Promise<SessionEnd> {
    return this.#closed.promise;
  }

  send(message: Outgoing): void {
    if (this.#over) return;
    const received = this.#codec.decode(this.#codec.encode(message).finish());
    const { other } = this;
    queueMicrotask(() => other?.read(() => other.onMessage?.(received)));
  }

  close(code: ReasonCode, message: string): void {
    this.#tellEnd({ by: "peer", code, message });
    this.end({ by: "local", code, message });
  }

  abort(code: ReasonCode, message: string): void {
    this.#tellEnd({ by: "network", code: "connection_lost", message: "The connection was lost." });
    this.end({ by: "local", code, message });
  }

  #tellEnd(end: SessionEnd): void {
    const { other } = this;
    queueMicrotask(() => other?.read(() => other.end(end)));
  }

  read(step: () => void): void {
    if (this.#onMessage === undefined) this.#unread.push(step);
    else step();
  }

  end(end: SessionEnd): void {
    this.#over = true;
    this.#closed.resolve(end);
  }
}

/** For tests: both ends of one session, without a network. */
export function sessionPair(
  transport: TransportName = "grpc",
): { readonly node: NodeSession; readonly daemon: DaemonSession } {
  const node = new MemoryEnd<NodeEventRequest, NodeEventResponse>(transport, NodeEventRequest);
  const daemon = new MemoryEnd<NodeEventResponse, NodeEventRequest>(transport, NodeEventResponse);
  node.other = daemon;
  daemon.other = node;
  return { node, daemon };
}
