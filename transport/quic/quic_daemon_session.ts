import type { ReasonCode } from "../../identity/reason_code.ts";
import { NodeEventRequest, NodeEventResponse } from "../../proto/gen/node.ts";
import { goodbye } from "../goodbye.ts";
import type { DaemonSession } from "../session.ts";
import { QuicSession } from "./quic_session.ts";

/** The daemon's end of a session over QUIC. */
export class QuicDaemonSession extends QuicSession<NodeEventResponse, NodeEventRequest> implements DaemonSession {
  protected override encode(message: NodeEventResponse): Uint8Array {
    return NodeEventResponse.encode(message).finish();
  }

  protected override decode(bytes: Uint8Array): NodeEventRequest {
    return NodeEventRequest.decode(bytes);
  }

  protected override farewell(code: ReasonCode, message: string): NodeEventResponse {
    return goodbye(code, message);
  }

  protected override consumes(): boolean {
    return false;
  }

  protected override ended(): void {
    this.endedByPeer("shutting_down", "The node has closed the session.");
  }
}
