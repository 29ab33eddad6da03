import { join } from "node:path";
import { PalyraError } from "../../../identity/palyra_error.ts";
import { readMarkerFile } from "../../../identity/sealing_marker.ts";
import type { CliCommand } from "../cli_command.ts";
import { print, printJson, reportLine } from "../cli_output.ts";
import { tableLines } from "../terminal_table.ts";
import { type CommandRunner, commandText, systemRunner } from "./command_runner.ts";
import { defineService } from "./define_service.ts";
import { carryOut, type InstallPlan, planInstallation } from "./install_service.ts";
import { installationNotes } from "./installation_notes.ts";
import { askServiceStatus } from "./installed_service.ts";
import type { ServiceFacts, ServiceHost } from "./service_host.ts";
import type { ServiceManager } from "./service_manager.ts";
import { managerForInstall } from "./service_scope.ts";
import { serviceVerb } from "./service_verb.ts";

/** Of both programs, in the state folder. */
const SECRETS_FOLDER = "secrets";

/** `palyrad install` and `palyra-node install`. */
export function installCommand(host: ServiceHost, runner: CommandRunner = systemRunner): CliCommand {
  const { program } = host;
  const command = serviceVerb("install", "Have the machine run this as a service, now and after every start.", [
    { command: `${program} install`, explanation: "for this user; as root, for the machine" },
    { command: `${program} install --dry-run`, explanation: "show the file and the commands, change nothing" },
    {
      command: `sudo ${program} install --state-root /var/lib/palyra`,
      explanation: "from boot on, with its own state",
    },
  ]);
  command
    .option("--no-start", "do not start it now")
    .option("--force", "replace a service that was installed differently")
    .option("--dry-run", "show what would be done, and do nothing")
    .action(async (options) => {
      const facts = await host.read(options);
      const manager = managerForInstall(options, Deno.env);
      const dryRun = options.dryRun === true;
      const start = options.start;
      if (!dryRun) await host.requireFit(facts);
      const startsPrograms = await host.startsPrograms(options);
      const environment = Deno.env;
      const definition = await defineService({ host, facts, startsPrograms, manager, runner, environment });
      const choices = { start, force: options.force === true, dryRun };
      const plan = await planInstallation(definition, manager, runner, choices);
      const isSealed = await readMarkerFile(join(facts.stateFolder, SECRETS_FOLDER)) !== undefined;
      const notes = installationNotes(definition, { ...facts, startsPrograms, isSealed }, manager.scope);
      if (dryRun) return showPlan(plan, notes, options.json === true);
      if (start) await requireNoForegroundProcess(host, facts, manager, runner);
      await carryOut(plan, runner);
      showInstalled(plan, notes, options.json === true);
    });
  return command;
}

/** The service could only fail: one process at a time has the state folder. */
async function requireNoForegroundProcess(
  host: ServiceHost,
  { stateFolder }: ServiceFacts,
  manager: ServiceManager,
  runner: CommandRunner,
): Promise<void> {
  const process = await host.findProcess(stateFolder);
  if (process === undefined) return;
  const { running } = await askServiceStatus({ manager }, host.program, runner);
  if (running) return;
  throw new PalyraError(
    "state_in_use",
    `${host.program} runs already, as the process ${process.pid}: stop it first with \`${host.program} stop\`, or add ` +
      "--no-start.",
  );
}

function showPlan(plan: InstallPlan, notes: readonly string[], json: boolean): void {
  const { file, manager } = plan;
  const steps = [...plan.register, ...plan.start];
  if (json) {
    return printJson({
      action: "install",
      dry_run: true,
      manager: manager.title,
      scope: manager.scope,
      files: [{ path: file.path, text: file.text, changes: !plan.unchanged }],
      commands: steps.map(({ command, args }) => [command, ...args]),
      notes,
    });
  }
  print(`# ${file.path}${plan.unchanged ? " (as it is)" : ""}`);
  print(file.text);
  for (const step of steps) print(`$ ${commandText(step)}`);
  for (const note of notes) reportLine(`note: ${note}`);
}

function showInstalled(plan: InstallPlan, notes: readonly string[], json: boolean): void {
  const { definition, manager, file } = plan;
  const { program } = definition;
  const started = plan.start.length > 0;
  const logs = manager.logs(definition);
  if (json) {
    return printJson({
      action: "install",
      installed: true,
      started,
      manager: manager.title,
      scope: manager.scope,
      path: file.path,
      logs,
      notes,
    });
  }
  const when = manager.scope === "system" ? "after every start of the machine" : "after every login";
  print(
    `${program} is installed as a service of ${manager.title}${
      started ? " and runs" : ""
    }. It starts by itself ${when}.`,
  );
  const rows = [["  file", file.path], ["  logs", logs], ["  stop", `${program} stop`], [
    "  remove",
    `${program} uninstall`,
  ]];
  for (const line of tableLines({ columns: [{ title: "" }, { title: "" }], rows })) print(line);
  for (const note of notes) reportLine(`note: ${note}`);
}
