import { type CapabilitySet, capabilitySet } from "../capability_set.ts";
import { TimeLimit } from "../../transport/program/doctor/time_limit.ts";
import { loadNodeConfig, type NodeConfig, type NodeConfigSources } from "../node_config.ts";

/** How long the files of the owner's own capabilities may take together, in milliseconds: other checks want time, too. */
const CAPABILITY_FILES_LIMIT_MS = 10_000;

/** The configuration with the capabilities that it makes. */
export interface ConfiguredNode extends CapabilitySet {
  readonly config: NodeConfig;
}

/**
 * Reads the configuration as `run` would, but leaves out the capability files that take too long. Rejects with
 * `invalid_config` or `permission_missing`.
 */
export async function configuredNode(sources: NodeConfigSources, signal: AbortSignal): Promise<ConfiguredNode> {
  const config = await loadNodeConfig(sources);
  using limit = new TimeLimit(CAPABILITY_FILES_LIMIT_MS, signal);
  return { config, ...await capabilitySet(config, { signal: limit.signal }) };
}
