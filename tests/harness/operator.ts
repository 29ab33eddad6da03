import { join } from "node:path";
import { AdminClient } from "../../daemon/admin_client.ts";
import { readOperatorCredentials } from "../../daemon/operator_credentials.ts";
import { SecretStore } from "../../identity/secret_store.ts";
import type { Fleet } from "./fleet.ts";

/** The local operator of the fleet's daemon, by API: for more calls than one would start commands for. */
export async function operatorOf(fleet: Fleet, nodeRpc: string): Promise<AdminClient> {
  const secrets = await SecretStore.open(join(fleet.daemonRoot, "palyrad", "secrets"));
  return new AdminClient(nodeRpc, await readOperatorCredentials(secrets));
}
