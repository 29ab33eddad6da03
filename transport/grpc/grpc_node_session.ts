import { type Client, type ClientDuplexStream, status, type StatusObject } from "@grpc/grpc-js";
import { NodeEventRequest, type NodeEventResponse } from "../../proto/gen/node.ts";
import { messageBytes } from "../../proto/message_bytes.ts";
import type { OutgoingMessage } from "../base_session.ts";
import type { NodeSession, PeerCertificate, SessionEnd } from "../session.ts";
import { fromServiceError, hasReason } from "./grpc_status.ts";
import { GrpcSession } from "./grpc_session.ts";
import { readGoodbye } from "../goodbye.ts";

/** The node's side of the stream: requests are written encoded, so that they are encoded and measured in one go. */
export type DaemonStream = ClientDuplexStream<Uint8Array, NodeEventResponse>;

/** A session over a `StreamNodeEvents` call that the daemon has accepted; owns the channel and closes it with itself. */
export class GrpcNodeSession extends GrpcSession<NodeEventRequest, NodeEventResponse, Uint8Array>
  implements NodeSession {
  readonly #call: DaemonStream;
  readonly #channel: Client;

  constructor(call: DaemonStream, channel: Client, daemon: PeerCertificate, remoteAddress: string) {
    super(call, daemon, remoteAddress);
    this.#call = call;
    this.#channel = channel;
    call.once("status", (outcome: StatusObject) => {
      this.over(endOf(outcome));
      channel.close();
    });
  }

  protected override outgoing(message: NodeEventRequest): OutgoingMessage<Uint8Array> {
    const chunk = messageBytes(NodeEventRequest, message);
    return { chunk, bytes: chunk.length };
  }

  /** The end of the stream says it all; why a node goes is its own matter. */
  protected override farewell(): undefined {
    return undefined;
  }

  protected override consumes(received: NodeEventResponse): boolean {
    const said = readGoodbye(received);
    if (said === undefined) return false;
    this.endedByPeer(said.code, said.message);
    return true;
  }

  protected override dropConnection(): void {
    this.#call.cancel();
    this.#channel.close();
  }
}

/** What the end of an accepted call means when no Goodbye came before. */
function endOf(outcome: StatusObject): SessionEnd {
  if (outcome.code === status.OK) {
    return { by: "peer", code: "connection_lost", message: "The daemon ended the session without saying why." };
  }
  if (hasReason(outcome)) {
    const { code, message } = fromServiceError(outcome);
    return { by: "peer", code, message };
  }
  if (outcome.code === status.RESOURCE_EXHAUSTED) {
    return {
      by: "network",
      code: "message_too_large",
      message: "A message was larger than the limit.",
      cause: outcome,
    };
  }
  return { by: "network", code: "connection_lost", message: "The connection to the daemon was lost.", cause: outcome };
}
