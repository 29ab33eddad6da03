import { join } from "node:path";
import { AdminClient } from "../../daemon/admin_client.ts";
import { readOperatorCredentials } from "../../daemon/operator_credentials.ts";
import { SecretStore } from "../../identity/secret_store.ts";
import type { Fleet } from "../harness/fleet.ts";
import type { Scenario } from "./scenario.ts";

const INPUT = new TextEncoder().encode(JSON.stringify("a".repeat(98)));

/** `execute echo`, whole and durable: operator, daemon, a node by `transport` and back, in three processes. */
export async function executeEcho(fleet: Fleet, nodeRpc: string, transport: "grpc" | "quic"): Promise<Scenario> {
  const node = `worker-${transport}`;
  await fleet.pair(node);
  await fleet.connect(node, ["--transport", transport]);
  const secrets = await SecretStore.open(join(fleet.daemonRoot, "palyrad", "secrets"));
  const admin = new AdminClient(nodeRpc, await readOperatorCredentials(secrets));
  const order = {
    deviceId: node,
    capability: "echo",
    inputJson: INPUT,
    maxPayloadBytes: 0,
    timeoutMs: 0,
    idempotencyKey: "",
  };
  return {
    name: transport === "grpc" ? "execute echo" : "execute echo, QUIC",
    once: async () => {
      const { state, error } = await admin.execute(order);
      if (state !== "succeeded") throw new Error(`execute ended as ${state}: ${error}`);
    },
    [Symbol.asyncDispose]: async () => {
      admin[Symbol.dispose]();
      await Promise.resolve();
    },
  };
}
