import { PalyraError } from "../../../identity/palyra_error.ts";
import type { CliCommand } from "../cli_command.ts";
import { print, printJson } from "../cli_output.ts";
import { shutdownSignal } from "../shutdown_signals.ts";
import { type CommandRunner, systemRunner } from "./command_runner.ts";
import { stopProcess } from "./foreground_process.ts";
import { type LocatedService, locateService, notInstalled } from "./locate_service.ts";
import type { ServiceHost, StateOptions } from "./service_host.ts";
import { managersToSearch, type ScopeOptions } from "./service_scope.ts";
import { runSteps } from "./service_steps.ts";
import { serviceVerb } from "./service_verb.ts";

/** `start`: the installed service. */
export function startCommand(host: ServiceHost, runner: CommandRunner = systemRunner): CliCommand {
  const { program } = host;
  const command = serviceVerb("start", "Start the installed service.", [
    { command: `${program} start`, explanation: `after \`${program} install\`` },
  ]);
  command.action(async (options) => {
    const located = await locate(host, options, runner);
    await startService(host, located, "start", runner);
    show(host, located, "start", `${program} runs.`, options.json === true);
  });
  return command;
}

/** `stop`: the service, or the process that runs in a terminal. */
export function stopCommand(host: ServiceHost, runner: CommandRunner = systemRunner): CliCommand {
  const { program } = host;
  const command = serviceVerb("stop", "Stop the service, or the process that runs in some terminal.", [
    { command: `${program} stop`, explanation: "running work may finish for 10 seconds" },
  ]);
  command.action(async (options) => {
    const located = await locate(host, options, runner);
    const { facts, service, status, foreground } = located;
    if (service !== undefined && status?.running === true) {
      await runSteps(service.manager.stop(program), runner, `look at ${service.path}`);
    } else if (foreground !== undefined) {
      using shutdown = shutdownSignal();
      await stopProcess(foreground, facts.stateFolder, { signal: shutdown.signal, runner });
    } else {
      return show(host, located, "stop", `${program} was not running.`, options.json === true);
    }
    show(host, located, "stop", `${program} has stopped.`, options.json === true);
  });
  return command;
}

/** `restart`: the installed service. */
export function restartCommand(host: ServiceHost, runner: CommandRunner = systemRunner): CliCommand {
  const { program } = host;
  const command = serviceVerb("restart", "Stop and start the installed service.", [
    { command: `${program} restart`, explanation: "after a change in palyra.toml" },
  ]);
  command.action(async (options) => {
    const located = await locate(host, options, runner);
    await startService(host, located, "restart", runner);
    show(host, located, "restart", `${program} runs anew.`, options.json === true);
  });
  return command;
}

async function locate(host: ServiceHost, options: StateOptions & ScopeOptions, runner: CommandRunner) {
  return await locateService(host, await host.read(options), managersToSearch(options, Deno.env), runner);
}

async function startService(
  host: ServiceHost,
  { facts, service, foreground }: LocatedService,
  verb: "start" | "restart",
  runner: CommandRunner,
): Promise<void> {
  const { program } = host;
  if (foreground !== undefined) {
    throw new PalyraError(
      "state_in_use",
      `${program} runs as the process ${foreground.pid}, not as a service: stop it with \`${program} stop\`, then start it ` +
        `again ${service === undefined ? `with \`${program} run\`` : `with \`${program} start\``}.`,
    );
  }
  if (service === undefined) {
    throw notInstalled(host, facts, `install it with \`${program} install\`, or run it here with \`${program} run\``);
  }
  await runSteps(service.manager[verb](program), runner, `${program} status`);
}

function show(host: ServiceHost, located: LocatedService, action: string, text: string, json: boolean): void {
  if (!json) return print(text);
  const { service, status, foreground } = located;
  printJson({
    action,
    program: host.program,
    manager: service?.manager.title ?? null,
    was_running: status?.running === true || foreground !== undefined,
    pid: foreground?.pid ?? null,
  });
}
