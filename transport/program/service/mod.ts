export * from "./command_runner.ts";
export * from "./control_commands.ts";
export * from "./install_command.ts";
export * from "./service_host.ts";
export * from "./service_notifier.ts";
export * from "./service_report.ts";
export * from "./uninstall_command.ts";
export * from "./variables_in.ts";
