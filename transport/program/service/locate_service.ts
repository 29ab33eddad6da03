import { dirname } from "node:path";
import { PalyraError } from "../../../identity/palyra_error.ts";
import type { ProcessMark } from "../process_mark.ts";
import type { CommandRunner } from "./command_runner.ts";
import { askServiceStatus, findInstalledService, type InstalledService } from "./installed_service.ts";
import type { ServiceFacts, ServiceHost } from "./service_host.ts";
import type { ServiceManager, ServiceStatus } from "./service_manager.ts";

/** How a program stands as a service and as a process, on one state folder. */
export interface LocatedService {
  readonly facts: ServiceFacts;
  /** Undefined: it is not installed for this state folder. */
  readonly service: InstalledService | undefined;
  /** What the service's manager says of it; undefined without a service. */
  readonly status: ServiceStatus | undefined;
  /** The process that runs and is not the service's. */
  readonly foreground: ProcessMark | undefined;
}

/** Looks for the service and the process of a state folder. Rejects as `askServiceStatus` does. */
export async function locateService(
  host: Pick<ServiceHost, "program" | "findProcess">,
  facts: ServiceFacts,
  managers: readonly ServiceManager[],
  runner: CommandRunner,
): Promise<LocatedService> {
  const service = await findInstalledService(managers, host.program, dirname(facts.stateFolder));
  const status = service === undefined ? undefined : await askServiceStatus(service, host.program, runner);
  const process = await host.findProcess(facts.stateFolder);
  // One process at a time has the state folder, so a service that runs is that process.
  return { facts, service, status, foreground: status?.running === true ? undefined : process };
}

/** The failure of a verb that takes a service when there is none; `instead` says what else could be done. */
export function notInstalled({ program }: Pick<ServiceHost, "program">, facts: ServiceFacts, instead: string) {
  return new PalyraError(
    "service_not_installed",
    `${program} is not installed as a service for the state folder ${facts.stateFolder}: ${instead}.`,
  );
}
