import { printReport } from "../../transport/program/doctor/print_report.ts";
import type { ExitCode } from "../../transport/program/exit_code.ts";
import { configureLogging } from "../../transport/program/logging.ts";
import { examineDaemon } from "../doctor/daemon_doctor.ts";
import { daemonCommand } from "./daemon_command.ts";

/** `palyrad doctor`. It changes nothing in the state folder; `exit` gets 0, or the code of the first failed check. */
export function doctorCommand(exit: (code: ExitCode) => void) {
  return daemonCommand("doctor", "Look for what keeps the daemon from its work, and say what to do.", [
    { command: "palyrad doctor", explanation: "while it runs, and while it does not; changes nothing" },
    {
      command: "palyrad doctor --json",
      explanation: "for programs; exit code 0 unless a check has failed, else the one of the first failure",
    },
  ]).action(async ({ stateRoot, config, json }) => {
    // What is amiss is said by the checks.
    configureLogging({ level: "error" });
    exit(printReport(await examineDaemon({ stateRoot, config }), { json: json === true }));
  });
}
