import { isReasonCode, type ReasonCode } from "../identity/reason_code.ts";
import { NodeEventResponse } from "../proto/gen/node.ts";
import { peerMessage } from "./peer_message.ts";

/** The daemon's last message of a session: why it ends. */
export function goodbye(reasonCode: ReasonCode, message: string): NodeEventResponse {
  return NodeEventResponse.create({ v: 1, message: { $case: "goodbye", value: { reasonCode, message } } });
}

/** What a Goodbye says, fit to be shown; undefined for any other message. */
export function readGoodbye(
  { message }: NodeEventResponse,
): { readonly code: ReasonCode; readonly message: string } | undefined {
  if (message?.$case !== "goodbye") return undefined;
  const { reasonCode, message: sentence } = message.value;
  return { code: isReasonCode(reasonCode) ? reasonCode : "connection_lost", message: peerMessage(sentence) };
}
