import { parseEndpoint } from "../../identity/endpoint.ts";
import { Hello, NodeEventRequest } from "../../proto/gen/node.ts";
import { GrpcDialer } from "../../transport/grpc/grpc_dialer.ts";
import type { Fleet } from "../harness/fleet.ts";
import { identityOf } from "../harness/paired_device.ts";
import type { Scenario } from "./scenario.ts";

const HEARTBEAT = NodeEventRequest.create({ v: 1, message: { $case: "heartbeat", value: {} } });

/** A heartbeat and its answer on one open session, node and daemon in two processes. */
export async function sessionPing(fleet: Fleet, nodeRpc: string): Promise<Scenario> {
  await fleet.pair("pinger");
  const { deviceId, caPem, certificatePem, keyPem } = await identityOf(fleet, "pinger");
  const dialer = new GrpcDialer({
    endpoint: parseEndpoint(nodeRpc),
    material: () => ({ caPem: [caPem], certificatePem, keyPem }),
  });
  const session = await dialer.dial(new AbortController().signal);
  const waiting: (() => void)[] = [];
  const welcomed = new Promise<void>((resolve) => {
    session.onMessage = ({ message }) => {
      if (message?.$case === "welcome") resolve();
      else if (message?.$case === "heartbeat") waiting.shift()?.();
    };
  });
  const hello = Hello.create({ deviceId: { ulid: deviceId }, platform: "bench", instanceId: "bench" });
  session.send(NodeEventRequest.create({ v: 1, message: { $case: "hello", value: hello } }));
  await welcomed;
  // Its answers are counted too: one that nobody waits for would be taken for that of the next ping.
  const alive = setInterval(() => {
    waiting.push(() => {});
    session.send(HEARTBEAT);
  }, 1_000);

  return {
    name: "session ping",
    once: () =>
      new Promise<void>((resolve) => {
        waiting.push(resolve);
        session.send(HEARTBEAT);
      }),
    [Symbol.asyncDispose]: async () => {
      clearInterval(alive);
      session.close("shutting_down", "The benchmark is over.");
      await session.closed;
    },
  };
}
