import { readDaemonConfig } from "../daemon_config.ts";
import type { DaemonCommandOptions } from "./daemon_command.ts";

/** The state folder whose audit a command is about; the daemon may be running on it or not. */
export async function auditStateFolder({ stateRoot, config }: DaemonCommandOptions): Promise<string> {
  const { stateFolder } = await readDaemonConfig({ stateRoot, configFile: config, environment: Deno.env });
  return stateFolder;
}
