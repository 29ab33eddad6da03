import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { getLogger } from "@logtape/logtape";
import {
  builtinCapabilities,
  CapabilityRegistry,
  type FaultyOwnerFile,
  loadOwnerCapabilities,
  MediationPolicy,
  type OwnerCapabilities,
  type ProtectedPlaces,
  SystemOpener,
} from "./capabilities/mod.ts";
import type { NodeConfig } from "./node_config.ts";

const logger = getLogger(["palyra", "node_host", "capabilities"]);

/** The capabilities of a node. */
export interface CapabilitySet {
  readonly registry: CapabilityRegistry;
  /** Files in the owner's folder of capabilities that cannot be used. */
  readonly leftOut: readonly FaultyOwnerFile[];
}

/** What {@linkcode capabilitySet} goes by beside the configuration. */
export interface CapabilitySetOptions {
  /** Names that are denied beside those of the configuration: a flag can only take away. */
  readonly denied?: readonly string[] | undefined;
  /** Files of the folder that have not told their definition when it aborts are left out. */
  readonly signal?: AbortSignal;
}

/**
 * The capabilities of this node under its owner's configuration: the built-in ones and those of the owner's folder.
 *
 * A rule for a name that nobody knows is refused, unless it may be that of a file that was left out, or the
 * configuration allows that name permissions: the folder may be given to `run` alone.
 *
 * @throws {PalyraError} `invalid_config`, when a rule names no capability, a root is no absolute path, or the folder
 * cannot be used; `permission_missing` when the program may not read it.
 */
export async function capabilitySet(
  config: NodeConfig,
  { denied = [], signal }: CapabilitySetOptions = {},
): Promise<CapabilitySet> {
  const builtin = builtinCapabilities({
    openPathRoots: config.openPathRoots,
    ...(config.opener !== undefined && { opener: new SystemOpener({ command: config.opener }) }),
  });
  const own = await ownCapabilities(config, builtin.map(({ name }) => name), signal);
  const capabilities = [...builtin, ...own.capabilities];
  const rules = Object.entries(config.mediationRules);
  const excused = excusedNames(
    [...rules.map(([name]) => name), ...config.denied, ...denied],
    { config, known: capabilities.map(({ name }) => name), leftOut: own.faults },
  );
  const policy = new MediationPolicy({
    rules: Object.fromEntries(rules.filter(([name]) => !excused.includes(name))),
    denied: [...config.denied, ...denied].filter((name) => !excused.includes(name)),
  });
  return { registry: new CapabilityRegistry(capabilities, policy), leftOut: own.faults };
}

/** The names of what the owner has not denied: what a device asks to be granted when it pairs. */
export async function requestedCapabilities(registry: CapabilityRegistry): Promise<string[]> {
  const declared = await registry.declarations();
  return declared.map(({ name }) => name).filter((name) => registry.find(name)?.rule !== "deny");
}

/** Tells the log which files were left out, and why. */
export function logLeftOut(leftOut: readonly FaultyOwnerFile[]): void {
  for (const { file, reason } of leftOut) {
    logger.warn("The capability file {file} is left out. {reason}", { file, reason });
  }
}

async function ownCapabilities(
  config: NodeConfig,
  taken: readonly string[],
  signal: AbortSignal | undefined,
): Promise<OwnerCapabilities> {
  const { capabilitiesFolder: folder, allowances } = config;
  if (folder === undefined) return { capabilities: [], faults: [] };
  return await loadOwnerCapabilities(folder, { allowances, places: placesOf(config, folder), taken, signal });
}

/** Those of the names that no capability has, and that need not be a mistake. */
function excusedNames(
  named: readonly string[],
  { config, known, leftOut }: {
    readonly config: NodeConfig;
    readonly known: readonly string[];
    readonly leftOut: readonly FaultyOwnerFile[];
  },
): string[] {
  const unknown = [...new Set(named)].filter((name) => !known.includes(name));
  const allowed = unknown.filter((name) => config.allowances.has(name));
  if (leftOut.length === 0) return allowed;
  // Nobody can say what a file that was left out would be called.
  for (const name of unknown.filter((name) => !allowed.includes(name))) {
    logger.warn("The configuration names {name}, which no capability has; that of a file which is left out?", { name });
  }
  return unknown;
}

function placesOf({ stateFolder, configFile }: NodeConfig, folder: string): ProtectedPlaces {
  return {
    // A daemon on the same machine keeps an operator's key beside this one's.
    secret: [stateFolder, join(dirname(stateFolder), "palyrad")],
    vital: [configFile, folder, Deno.execPath(), ...programFolder()],
  };
}

/** The package or the sources: the folder above that of the main module. */
function programFolder(): string[] {
  const main = new URL(Deno.mainModule);
  return main.protocol === "file:" ? [dirname(dirname(fileURLToPath(main)))] : [];
}
