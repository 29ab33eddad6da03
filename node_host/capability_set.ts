import { builtinCapabilities, CapabilityRegistry, MediationPolicy, SystemOpener } from "./capabilities/mod.ts";
import type { NodeConfig } from "./node_config.ts";

/**
 * The capabilities of this node under its owner's configuration. `denied` adds to what the configuration denies: a flag
 * can only take away.
 *
 * @throws {PalyraError} `invalid_config`, when a rule names no capability or a root is no absolute path.
 */
export function capabilitySet(config: NodeConfig, denied: readonly string[] = []): CapabilityRegistry {
  return new CapabilityRegistry(
    builtinCapabilities({
      openPathRoots: config.openPathRoots,
      ...(config.opener !== undefined && { opener: new SystemOpener({ command: config.opener }) }),
    }),
    new MediationPolicy({ rules: config.mediationRules, denied: [...config.denied, ...denied] }),
  );
}

/** The names of what the owner has not denied: what a device asks to be granted when it pairs. */
export async function requestedCapabilities(registry: CapabilityRegistry): Promise<string[]> {
  const declared = await registry.declarations();
  return declared.map(({ name }) => name).filter((name) => registry.find(name)?.rule !== "deny");
}
