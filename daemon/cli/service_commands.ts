import { dirname } from "node:path";
import type { CliCommand } from "../../transport/program/cli_command.ts";
import { locateConfigFile } from "../../transport/program/config_file.ts";
import {
  installCommand,
  restartCommand,
  type ServiceHost,
  startCommand,
  stopCommand,
  uninstallCommand,
  variablesIn,
} from "../../transport/program/service/mod.ts";
import { readDaemonConfig } from "../daemon_config.ts";
import { findDaemonProcess } from "../daemon_process_file.ts";
import { installableFolders } from "../generation_folders.ts";

const HOST: ServiceHost = {
  program: "palyrad",
  description: "Palyra daemon",
  async read({ stateRoot, config: configFile }) {
    const environment = Deno.env;
    const { stateFolder, logFile, generationPlaces, entries } = await readDaemonConfig({
      stateRoot,
      configFile,
      environment,
    });
    const { path } = locateConfigFile({ flag: configFile, environment, stateFolder });
    return {
      stateFolder,
      configFile: dirname(path) === stateFolder ? undefined : path,
      logFile,
      readFolders: [],
      writtenFolders: generationPlaces.file === undefined
        ? installableFolders(generationPlaces.folders, Deno.uid())
        : [dirname(generationPlaces.file)],
      variables: variablesIn(entries),
    };
  },
  // A new state folder is made at the first start.
  requireFit: () => Promise.resolve(),
  startsPrograms: () => Promise.resolve(false),
  findProcess: findDaemonProcess,
};

/** `palyrad install|uninstall|start|stop|restart` */
export function serviceCommands(): CliCommand[] {
  return [installCommand(HOST), uninstallCommand(HOST), startCommand(HOST), stopCommand(HOST), restartCommand(HOST)];
}
