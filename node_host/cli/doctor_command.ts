import { type CliCommand, configureLogging, type ExitCode, newCommand } from "../../transport/program/mod.ts";
import { printReport } from "../../transport/program/doctor/print_report.ts";
import { examineNode } from "../doctor/node_doctor.ts";
import { CONFIG_OPTION, STATE_ROOT_OPTION } from "./shared_options.ts";

const EXAMPLES = [
  {
    command: "palyra-node doctor",
    explanation: "what keeps this machine from its daemon, and what to do about it; changes nothing",
  },
  {
    command: "palyra-node doctor --json",
    explanation: "the same for programs; exit code 0 unless a check has failed, else the one of the first failure",
  },
];

/** `palyra-node doctor`. It changes nothing on the disk; `exit` gets 0, or the code that fits the first failed check. */
export function doctorCommand(exit: (code: ExitCode) => void): CliCommand {
  const command = newCommand(
    "doctor",
    "Look for what keeps this machine from its daemon, and say what to do.",
    EXAMPLES,
  );
  command
    .option(...STATE_ROOT_OPTION)
    .option(...CONFIG_OPTION)
    .action(async (options) => {
      // What is amiss is said by the checks.
      configureLogging({ level: "error" });
      exit(printReport(await examineNode(options), { json: options.json === true }));
    });
  return command;
}
