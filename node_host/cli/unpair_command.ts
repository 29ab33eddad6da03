import { PalyraError } from "../../identity/palyra_error.ts";
import {
  type CliCommand,
  newCommand,
  print,
  printJson,
  reportLine,
  shutdownSignal,
} from "../../transport/program/mod.ts";
import { NodeHostState } from "../node_host_state.ts";
import { tellDaemonUnpaired } from "../pairing_revocation.ts";
import { CONFIG_OPTION, configForShortVerb, STATE_ROOT_OPTION } from "./shared_options.ts";

const EXAMPLES = [
  { command: "palyra-node unpair", explanation: "end the pairing at the daemon and here" },
  { command: "palyra-node unpair --local", explanation: "also when the daemon cannot be told" },
];

/** `palyra-node unpair`. */
export function unpairCommand(): CliCommand {
  const command = newCommand("unpair", "End this machine's pairing and remove its keys.", EXAMPLES);
  command
    .option("--local", "remove the pairing here even if the daemon cannot be told")
    .option(...STATE_ROOT_OPTION)
    .option(...CONFIG_OPTION)
    .action(async (options) => {
      const config = await configForShortVerb(options);
      using state = await NodeHostState.open(config.stateFolder);
      if (await state.isEmpty()) {
        throw new PalyraError("not_paired", "This machine is not paired, so there is nothing to end.");
      }
      using shutdown = shutdownSignal();
      const untold = await tellDaemonUnpaired(state, shutdown.signal);
      if (untold !== undefined && options.local !== true) {
        throw new PalyraError(
          untold.code,
          `The daemon could not be told, so nothing was removed. ${untold.message} To remove the pairing here all the ` +
            "same, add --local; the operator then runs `palyrad devices revoke` there.",
          { cause: untold },
        );
      }
      await state.erase();
      const told = untold === undefined;
      if (options.json === true) printJson({ action: "unpair", unpaired: true, daemon_told: told });
      else {
        print("This machine is not paired any more; its keys are removed.");
        if (!told) reportLine("The daemon could not be told: let its operator run `palyrad devices revoke` there.");
      }
    });
  return command;
}
