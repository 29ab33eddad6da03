import { print, printJson } from "../../transport/program/cli_output.ts";
import { EMPTY_AUDIT } from "../audit/audit_chain.ts";
import { openStoredAudit } from "../audit/stored_audit.ts";
import { auditStateFolder } from "./audit_state_folder.ts";
import { daemonCommand } from "./daemon_command.ts";

/** `palyrad audit head` */
export function headCommand() {
  return daemonCommand("head", "Show the newest record's number and hash, to be noted somewhere else.", [
    { command: "palyrad audit head", explanation: "later: palyrad audit verify --expect-head HASH" },
  ]).action(async (options) => {
    using audit = openStoredAudit(await auditStateFolder(options));
    const { sequence, hash } = audit.newest(1).at(0) ?? EMPTY_AUDIT;
    if (options.json) printJson({ sequence, hash });
    else print(`${sequence} ${hash}`);
  });
}
