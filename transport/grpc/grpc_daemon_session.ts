import { type handleBidiStreamingCall, Metadata, type ServerDuplexStream } from "@grpc/grpc-js";
import { PalyraError } from "../../identity/palyra_error.ts";
import type { ReasonCode } from "../../identity/reason_code.ts";
import { type NodeEventRequest, NodeEventResponse } from "../../proto/gen/node.ts";
import { messageBytes } from "../../proto/message_bytes.ts";
import { goodbye } from "../goodbye.ts";
import type { OutgoingMessage } from "../base_session.ts";
import type { Authorize, DaemonSession, PeerCertificate } from "../session.ts";
import { authorizedPeer } from "./authorized_peer.ts";
import { remoteAddressOf } from "./call_peer.ts";
import { failedCall } from "./failed_call.ts";
import { GrpcSession } from "./grpc_session.ts";
import type { ConnectionControl } from "./tls_front.ts";

type NodeStream = ServerDuplexStream<NodeEventRequest, NodeEventResponse>;

/**
 * The handler of `StreamNodeEvents`: each call of an authorised node becomes a {@linkcode DaemonSession}.
 *
 * @param onSession Takes the session and sets its handler at once. When it throws, the call is refused with that.
 * @param authorize Asked when the call comes; revocation later is the caller's matter (`abort`).
 * @param connections Of the listener that the handler is registered on.
 */
export function nodeStreamHandler(
  onSession: (session: DaemonSession) => void,
  authorize: Authorize,
  connections: ConnectionControl,
): handleBidiStreamingCall<NodeEventRequest, NodeEventResponse> {
  return (call) => {
    let session: GrpcDaemonSession | undefined;
    try {
      session = new GrpcDaemonSession(call, authorizedPeer(call, authorize), connections);
      onSession(session);
      // The node takes the session for open when it has this.
      call.sendMetadata(new Metadata());
    } catch (error) {
      session?.refused(PalyraError.from(error));
      call.emit("error", failedCall(call.getPath(), error));
    }
  };
}

class GrpcDaemonSession extends GrpcSession<NodeEventResponse, NodeEventRequest, NodeEventResponse>
  implements DaemonSession {
  readonly #connections: ConnectionControl;
  #ending: ReturnType<typeof setImmediate> | undefined;

  constructor(call: NodeStream, peer: PeerCertificate, connections: ConnectionControl) {
    super(call, peer, remoteAddressOf(call));
    this.#connections = connections;
    // A broken stream ends too, and says that it is broken only after that.
    call.on("end", () => this.#ending = setImmediate(() => this.#endedByNode()));
    call.on("cancelled", () => {
      clearImmediate(this.#ending);
      this.over({ by: "network", code: "connection_lost", message: "The connection to the node was lost." });
    });
  }

  /** The call is answered with `error` instead. */
  refused(error: PalyraError): void {
    this.over({ by: "local", code: error.code, message: error.message });
  }

  #endedByNode(): void {
    this.endedByPeer("shutting_down", "The node has closed the session.");
  }

  protected override outgoing(message: NodeEventResponse): OutgoingMessage<NodeEventResponse> {
    return { chunk: message, bytes: messageBytes(NodeEventResponse, message).length };
  }

  protected override farewell(code: ReasonCode, message: string): NodeEventResponse {
    return goodbye(code, message);
  }

  protected override consumes(): boolean {
    return false;
  }

  protected override dropConnection(): void {
    this.#connections.dropConnection(this.remoteAddress, this.peer.fingerprint);
  }
}
