import type { EnvironmentReader } from "../environment.ts";
import type { CommandRunner } from "./command_runner.ts";
import { systemRunner } from "./command_runner.ts";
import { askServiceStatus, findInstalledService } from "./installed_service.ts";
import type { ServiceProgram, ServiceScope } from "./service_definition.ts";
import type { ServiceStatus } from "./service_manager.ts";
import { managersToSearch } from "./service_scope.ts";

/** What `status` tells of a service that is installed. */
export interface ServiceReport {
  readonly manager: string;
  readonly scope: ServiceScope;
  readonly path: string;
  /** Undefined: the manager could not be asked. */
  readonly status: ServiceStatus | undefined;
}

/**
 * The service of a program on this state root; undefined when it is not installed or Deno may not look. Never rejects:
 * it is one line of a status that is about more. Nothing is started unless a service's file is there.
 */
export async function readServiceReport(
  program: ServiceProgram,
  stateRoot: string,
  environment: EnvironmentReader = Deno.env,
  runner: CommandRunner = systemRunner,
): Promise<ServiceReport | undefined> {
  try {
    const service = await findInstalledService(managersToSearch({}, environment), program, stateRoot);
    if (service === undefined) return undefined;
    const { manager, path } = service;
    const status = await askServiceStatus(service, program, runner).catch(() => undefined);
    return { manager: manager.title, scope: manager.scope, path, status };
  } catch {
    return undefined;
  }
}

/** The report as `--json` prints it. */
export function serviceReportJson(report: ServiceReport | undefined): Readonly<Record<string, unknown>> | null {
  if (report === undefined) return null;
  return {
    manager: report.manager,
    scope: report.scope,
    path: report.path,
    enabled: report.status?.enabled ?? null,
    running: report.status?.running ?? null,
    detail: report.status?.detail ?? null,
  };
}

/** The report in a line: `systemd (user), enabled, active (running)`. */
export function serviceReportText({ manager, status }: ServiceReport): string {
  if (status === undefined) return `${manager}, which does not answer`;
  const enabled = status.enabled === undefined ? [] : [status.enabled ? "enabled" : "not enabled"];
  return [manager, ...enabled, status.detail].join(", ");
}
