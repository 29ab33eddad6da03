import { print, printJson } from "../../transport/program/cli_output.ts";
import { readDaemonConfig } from "../daemon_config.ts";
import { DaemonState } from "../daemon_state.ts";
import { daemonCommand } from "./daemon_command.ts";

/** `palyrad init` */
export function initCommand() {
  return daemonCommand("init", "Make the state folder, the CA and the operator certificate; harmless to repeat.", [
    { command: "palyrad init --state-root /srv/palyra", explanation: "in another place" },
  ]).action(async (options) => {
    const config = await readDaemonConfig({
      stateRoot: options.stateRoot,
      configFile: options.config,
      environment: Deno.env,
    });
    const state = await DaemonState.open(config);
    try {
      await state.renewOperator();
      const caFingerprint = state.identity.ca.fingerprint;
      if (options.json) return printJson({ state_folder: config.stateFolder, ca_fingerprint: caFingerprint });
      print(`State folder  ${config.stateFolder}`);
      print(`CA            ${caFingerprint}`);
      print("Start the daemon: palyrad run");
    } finally {
      await state.close();
    }
  });
}
