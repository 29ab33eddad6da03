import { type CapabilitySet, capabilitySet } from "../capability_set.ts";
import { loadNodeConfig, type NodeConfig, type NodeConfigSources } from "../node_config.ts";

/** The configuration with the capabilities that it makes. */
export interface ConfiguredNode extends CapabilitySet {
  readonly config: NodeConfig;
}

/** Reads the configuration as `run` would. Rejects with `invalid_config` or `permission_missing`. */
export async function configuredNode(sources: NodeConfigSources): Promise<ConfiguredNode> {
  const config = await loadNodeConfig(sources);
  return { config, ...await capabilitySet(config) };
}
