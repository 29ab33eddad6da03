import { PalyraError } from "../../../identity/palyra_error.ts";
import type { CliCommand } from "../cli_command.ts";
import { print, printJson, reportLine } from "../cli_output.ts";
import { printableText } from "../printable_text.ts";
import { shutdownSignal } from "../shutdown_signals.ts";
import { type CommandRunner, commandText, systemRunner } from "./command_runner.ts";
import { type LocatedService, locateService, notInstalled } from "./locate_service.ts";
import { purgeState } from "./purge_state.ts";
import type { PairingEnd, ServiceHost } from "./service_host.ts";
import { managersToSearch } from "./service_scope.ts";
import { runSteps } from "./service_steps.ts";
import { serviceVerb } from "./service_verb.ts";

/** What shall go beside the service. */
interface Extent {
  readonly pairing: boolean;
  readonly state: boolean;
}

/** What went. */
interface Removal {
  readonly service: boolean;
  /** Undefined: the pairing was not to be touched. */
  readonly pairing: PairingEnd | undefined;
  readonly state: boolean;
}

/** `palyrad uninstall` and `palyra-node uninstall`. */
export function uninstallCommand(host: ServiceHost, runner: CommandRunner = systemRunner): CliCommand {
  const { program } = host;
  const pairs = host.endPairing !== undefined;
  const command = serviceVerb(
    "uninstall",
    `Stop the service and remove it${pairs ? ", and end this machine's pairing" : ""}.`,
    [
      { command: `${program} uninstall`, explanation: "the state folder stays" },
      { command: `${program} uninstall --purge`, explanation: "the state folder goes too, keys and all" },
      ...(pairs ? [{ command: `${program} uninstall --keep-pairing`, explanation: "only the service goes" }] : []),
    ],
  );
  if (pairs) command.option("--keep-pairing", "leave this machine paired");
  command
    .option("--purge", "remove the state folder too; there is no way back")
    .option("--dry-run", "show what would be done, and do nothing")
    .action(async (options) => {
      const keepsPairing = command.getOptionValue("keepPairing") === true;
      const extent = { pairing: pairs && !keepsPairing, state: options.purge === true };
      if (keepsPairing && extent.state) {
        throw new PalyraError("invalid_argument", "--purge removes the pairing's keys too: leave out --keep-pairing.");
      }
      const facts = await host.read(options);
      const located = await locateService(host, facts, managersToSearch(options, Deno.env), runner);
      if (located.service === undefined && !extent.state) {
        const instead = pairs ? `to end the pairing, run \`${program} unpair\`` : "there is nothing to remove";
        throw notInstalled(host, facts, instead);
      }
      if (options.dryRun === true) return showPlan(host, located, extent, options.json === true);
      if (located.foreground !== undefined && (extent.pairing || extent.state)) {
        throw new PalyraError(
          "state_in_use",
          `${program} runs as the process ${located.foreground.pid}: stop it first with \`${program} stop\`.`,
        );
      }
      showRemoval(host, located, await remove(host, located, extent, runner), options.json === true);
    });
  return command;
}

async function remove(
  host: ServiceHost,
  { facts, service }: LocatedService,
  extent: Extent,
  runner: CommandRunner,
): Promise<Removal> {
  if (service !== undefined) {
    const { manager, path } = service;
    const instead = `look at ${path}`;
    await runSteps(manager.unregister(host.program), runner, instead);
    await Deno.remove(path);
    await runSteps(manager.forget(host.program), runner, instead);
  }
  using shutdown = shutdownSignal();
  const pairing = extent.pairing ? await host.endPairing?.(facts.stateFolder, shutdown.signal) : undefined;
  const state = extent.state && await purgeState(facts.stateFolder);
  return { service: service !== undefined, pairing, state };
}

function showPlan(host: ServiceHost, { facts, service }: LocatedService, extent: Extent, json: boolean): void {
  const before = service?.manager.unregister(host.program) ?? [];
  const after = service?.manager.forget(host.program) ?? [];
  if (json) {
    return printJson({
      action: "uninstall",
      dry_run: true,
      manager: service?.manager.title ?? null,
      commands: [...before, ...after].map(({ command, args }) => [command, ...args]),
      files: service === undefined ? [] : [service.path],
      ends_pairing: extent.pairing,
      purges: extent.state ? facts.stateFolder : null,
    });
  }
  for (const step of before) print(`$ ${commandText(step)}`);
  if (service !== undefined) print(`$ ${commandText({ command: "rm", args: [service.path] })}`);
  for (const step of after) print(`$ ${commandText(step)}`);
  if (extent.pairing) print("This machine's pairing would end, at the daemon when it can be reached, and here.");
  if (extent.state) print(`${facts.stateFolder} would be removed with all that is in it.`);
}

function showRemoval(host: ServiceHost, { facts, service }: LocatedService, removal: Removal, json: boolean): void {
  const { pairing } = removal;
  if (json) {
    return printJson({
      action: "uninstall",
      uninstalled: removal.service,
      manager: service?.manager.title ?? null,
      pairing: pairing?.outcome ?? null,
      pairing_reason: pairing?.reason ?? null,
      purged: removal.state,
      state_folder: facts.stateFolder,
    });
  }
  if (removal.service) print(`${host.program} has stopped and is no service any more.`);
  if (pairing?.outcome === "ended") print("This machine is not paired any more; its keys are removed.");
  if (pairing?.outcome === "kept") reportLine(keptText(host, pairing, removal.state));
  if (removal.state) print(`${facts.stateFolder} is removed.`);
  else if (removal.service) print(`What is left of its state stays in ${facts.stateFolder}.`);
}

function keptText({ program }: ServiceHost, { reason = "" }: PairingEnd, purged: boolean): string {
  const next = purged
    ? "its operator should run `palyrad devices revoke` there"
    : `this machine stays paired; run \`${program} unpair\` once it can be reached, or \`${program} unpair --local\``;
  return `note: The daemon could not be told: ${next}. ${printableText(reason)}`.trimEnd();
}
