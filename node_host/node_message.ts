import type { DeviceId } from "../identity/device_id.ts";
import type { NodeEventRequest } from "../proto/gen/node.ts";

/** What a node says on its session. */
export type NodeMessage = NonNullable<NodeEventRequest["message"]>;

const PROTOCOL_VERSION = 1;
const NO_PAYLOAD = new Uint8Array(0);

/** A node's message in the envelope of the session. */
export function nodeEvent(deviceId: DeviceId, message: NodeMessage): NodeEventRequest {
  return {
    v: PROTOCOL_VERSION,
    deviceId: { ulid: deviceId },
    eventName: "",
    payloadJson: NO_PAYLOAD,
    replay: undefined,
    message,
  };
}
