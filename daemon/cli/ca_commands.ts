import { newCommand } from "../../transport/program/cli_command.ts";
import { caCrlCommand } from "./ca_crl_command.ts";
import { caExportCommand } from "./ca_export_command.ts";
import { caRotateCommand } from "./ca_rotate_command.ts";
import { caShowCommand } from "./ca_show_command.ts";

/** `palyrad ca …` */
export function caCommand() {
  return newCommand("ca", "The private CA from which the daemon and every device have their certificates.")
    .addCommand(caShowCommand())
    .addCommand(caRotateCommand())
    .addCommand(caExportCommand())
    .addCommand(caCrlCommand());
}
