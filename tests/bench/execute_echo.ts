import { join } from "node:path";
import { AdminClient } from "../../daemon/admin_client.ts";
import { readOperatorCredentials } from "../../daemon/operator_credentials.ts";
import { SecretStore } from "../../identity/secret_store.ts";
import type { Fleet } from "../harness/fleet.ts";
import type { Scenario } from "./scenario.ts";

const INPUT = new TextEncoder().encode(JSON.stringify("a".repeat(98)));

/** `execute echo`, whole and durable: operator, daemon, node and back, in three processes. */
export async function executeEcho(fleet: Fleet, nodeRpc: string): Promise<Scenario> {
  await fleet.pair("worker");
  await fleet.connect("worker");
  const secrets = await SecretStore.open(join(fleet.daemonRoot, "palyrad", "secrets"));
  const admin = new AdminClient(nodeRpc, await readOperatorCredentials(secrets));
  const order = {
    deviceId: "worker",
    capability: "echo",
    inputJson: INPUT,
    maxPayloadBytes: 0,
    timeoutMs: 0,
    idempotencyKey: "",
  };
  return {
    name: "execute echo",
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
