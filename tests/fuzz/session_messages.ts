import type { DeviceId } from "../../identity/device_id.ts";
import { Hello, NodeEventRequest } from "../../proto/gen/node.ts";

/** Whole messages that a node says on its session, encoded; the greeting first. */
export function sessionMessages(deviceId: DeviceId): Uint8Array[] {
  const attempt = { requestId: { ulid: deviceId }, attempt: 1 };
  const messages: NonNullable<NodeEventRequest["message"]>[] = [
    {
      $case: "hello",
      value: Hello.create({ deviceId: { ulid: deviceId }, platform: "fuzz", instanceId: "fuzz" }),
    },
    { $case: "heartbeat", value: {} },
    { $case: "accepted", value: { attempt } },
    {
      $case: "result",
      value: { attempt, success: true, outputJson: new TextEncoder().encode("{}"), errorCode: "", error: "" },
    },
  ];
  return messages.map((message) => NodeEventRequest.encode(NodeEventRequest.create({ v: 1, message })).finish());
}
