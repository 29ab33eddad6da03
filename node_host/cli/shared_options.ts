import { resolve } from "node:path";
import { configureLogging } from "../../transport/program/mod.ts";
import { loadNodeConfig, type NodeConfig } from "../node_config.ts";

/** Options that every verb takes, as commander wants them: flags and help. */
export const STATE_ROOT_OPTION = ["--state-root <dir>", "where state is kept (PALYRA_STATE_ROOT)"] as const;
export const CONFIG_OPTION = [
  "--config <file>",
  "configuration file (PALYRA_CONFIG; default palyra.toml in the state folder)",
] as const;

export const CAPABILITIES_OPTION = [
  "--capabilities <dir>",
  "folder with capabilities of your own, one file each (PALYRA_CAPABILITIES)",
] as const;

/** What those options hold. */
export interface SharedOptions {
  readonly stateRoot?: string | undefined;
  readonly config?: string | undefined;
  readonly capabilities?: string | undefined;
}

/** Reads the configuration for a verb that answers and ends: it logs warnings only, unless asked for less. */
export async function configForShortVerb(options: SharedOptions, deviceName?: string): Promise<NodeConfig> {
  const { stateRoot, config: configFile } = options;
  const capabilities = options.capabilities && resolve(options.capabilities);
  const config = await loadNodeConfig({ stateRoot, config: configFile, capabilities, deviceName });
  const { level, format } = config.logging;
  configureLogging({
    ...(format !== undefined && { format }),
    level: level === undefined || level === "info" ? "warning" : level,
  });
  return config;
}
