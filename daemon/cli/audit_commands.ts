import { newCommand } from "../../transport/program/cli_command.ts";
import { archiveCommand } from "./audit_archive_command.ts";
import { exportCommand } from "./audit_export_command.ts";
import { headCommand } from "./audit_head_command.ts";
import { tailCommand } from "./audit_tail_command.ts";
import { verifyCommand } from "./audit_verify_command.ts";

/** `palyrad audit …` */
export function auditCommand() {
  return newCommand("audit", "The record of security acts and request ends, which nobody can change unnoticed.")
    .addCommand(verifyCommand())
    .addCommand(tailCommand())
    .addCommand(exportCommand())
    .addCommand(archiveCommand())
    .addCommand(headCommand());
}
