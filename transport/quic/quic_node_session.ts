import { NodeEventRequest, NodeEventResponse } from "../../proto/gen/node.ts";
import { readGoodbye } from "../goodbye.ts";
import type { NodeSession } from "../session.ts";
import { QuicSession } from "./quic_session.ts";

/** The node's end of a session over QUIC. */
export class QuicNodeSession extends QuicSession<NodeEventRequest, NodeEventResponse> implements NodeSession {
  protected override encode(message: NodeEventRequest): Uint8Array {
    return NodeEventRequest.encode(message).finish();
  }

  protected override decode(bytes: Uint8Array): NodeEventResponse {
    return NodeEventResponse.decode(bytes);
  }

  /** The end of the session says it all; why a node goes is its own matter. */
  protected override farewell(): undefined {
    return undefined;
  }

  protected override consumes(received: NodeEventResponse): boolean {
    const said = readGoodbye(received);
    if (said === undefined) return false;
    this.endedByPeer(said.code, said.message);
    return true;
  }

  protected override ended(): void {
    this.endedByPeer("connection_lost", "The daemon ended the session without saying why.");
  }
}
