import { join } from "node:path";
import { PalyraError } from "../../identity/palyra_error.ts";
import { SecretStore } from "../../identity/secret_store.ts";
import { AdminClient } from "../admin_client.ts";
import { readDaemonConfig } from "../daemon_config.ts";
import { readDaemonProcess } from "../daemon_process_file.ts";
import { SECRETS_FOLDER } from "../daemon_state.ts";
import { readOperatorCredentials } from "../operator_credentials.ts";
import type { DaemonCommandOptions } from "./daemon_command.ts";

/**
 * Speaks to the daemon of the state folder as its local operator, and hangs up afterwards. Throws
 * `state_not_initialised` when the folder has no operator certificate, `daemon_unreachable` when no daemon runs there.
 */
export async function withAdmin<T>(
  options: DaemonCommandOptions,
  use: (admin: AdminClient) => Promise<T>,
): Promise<T> {
  const { stateFolder } = await readDaemonConfig({
    stateRoot: options.stateRoot,
    configFile: options.config,
    environment: Deno.env,
  });
  const secretsFolder = join(stateFolder, SECRETS_FOLDER);
  if (!await exists(secretsFolder)) {
    throw new PalyraError(
      "state_not_initialised",
      `There is no daemon state in ${stateFolder}. Start one with \`palyrad run\`, or name its folder with --state-root.`,
    );
  }
  const credentials = await readOperatorCredentials(await SecretStore.open(secretsFolder));
  const process = await readDaemonProcess(stateFolder);
  if (process === undefined) {
    throw new PalyraError("daemon_unreachable", "The daemon is not running. Start it with `palyrad run`.");
  }
  using admin = new AdminClient(process.nodeRpc, credentials);
  return await use(admin);
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
