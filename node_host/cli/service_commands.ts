import { dirname } from "node:path";
import { PalyraError } from "../../identity/palyra_error.ts";
import { type CliCommand, locateConfigFile, stateFolder as defaultFolder } from "../../transport/program/mod.ts";
import {
  installCommand,
  type PairingEnd,
  restartCommand,
  type ServiceFacts,
  type ServiceHost,
  startCommand,
  stopCommand,
  uninstallCommand,
  variablesIn,
} from "../../transport/program/service/mod.ts";
import { capabilitySet } from "../capability_set.ts";
import { findNodeHostProcess } from "../node_host_process.ts";
import { readNodeHostRecord } from "../node_host_record.ts";
import { NodeHostState } from "../node_host_state.ts";
import { tellDaemonUnpaired } from "../pairing_revocation.ts";
import { configForShortVerb, type SharedOptions } from "./shared_options.ts";

const HOST: ServiceHost = {
  program: "palyra-node",
  description: "Palyra node",
  read: readFacts,
  async requireFit({ stateFolder }) {
    if ((await readNodeHostRecord(stateFolder))?.pairedAt !== undefined) return;
    throw new PalyraError(
      "not_paired",
      `This machine is not paired (in ${stateFolder}), so the service would have no daemon: run \`palyra-node pair\` first.`,
    );
  },
  startsPrograms,
  findProcess: findNodeHostProcess,
  endPairing,
};

/** `palyra-node install|uninstall|start|stop|restart`. */
export function serviceCommands(): CliCommand[] {
  return [installCommand(HOST), uninstallCommand(HOST), startCommand(HOST), stopCommand(HOST), restartCommand(HOST)];
}

async function readFacts(options: SharedOptions): Promise<ServiceFacts> {
  const config = await configForShortVerb(options);
  const environment = Deno.env;
  // The file may name another state root than the one it was found in.
  const { path } = locateConfigFile({
    flag: options.config,
    environment,
    stateFolder: defaultFolder("node-host", { flag: options.stateRoot, environment }),
  });
  return {
    stateFolder: config.stateFolder,
    configFile: dirname(path) === config.stateFolder ? undefined : path,
    logFile: config.logging.file,
    readFolders: config.capabilitiesFolder === undefined ? [] : [config.capabilitiesFolder],
    variables: variablesIn(config.entries),
  };
}

/**
 * A restricted service can run capabilities of the owner's own, too, unless they write where the service's own folders
 * are not, or start programs.
 */
async function startsPrograms(options: SharedOptions): Promise<boolean> {
  const { registry: { entries } } = await capabilitySet(await configForShortVerb(options));
  return entries.some(({ rule, definition: { permissions, ownProcess } }) =>
    rule !== "deny" &&
    (ownProcess === undefined
      ? permissions.some(({ descriptor }) => descriptor.name === "run")
      : ownProcess.permissions.some((permission) => /^(?:run|write)=/.test(permission)))
  );
}

/** Best effort at the daemon, thorough here: what the daemon could not be told keeps its keys for another try. */
async function endPairing(stateFolder: string, signal: AbortSignal): Promise<PairingEnd> {
  using state = await NodeHostState.open(stateFolder);
  if (await state.isEmpty()) return { outcome: "none" };
  const untold = await tellDaemonUnpaired(state, signal);
  if (untold !== undefined) return { outcome: "kept", reason: untold.message };
  await state.erase();
  return { outcome: "ended" };
}
