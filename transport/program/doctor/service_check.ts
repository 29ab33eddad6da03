import type { EnvironmentReader } from "../environment.ts";
import { type CommandRunner, systemRunner } from "../service/command_runner.ts";
import type { ServiceProgram } from "../service/service_definition.ts";
import { readServiceReport, serviceReportText } from "../service/service_report.ts";
import type { Check } from "./check.ts";
import { type Finding, ok, skipped, warning } from "./finding.ts";

/** Whose service {@linkcode serviceCheck} looks for. */
export interface ServiceCheckOptions {
  readonly program: ServiceProgram;
  readonly stateRoot: string;
  /** `Deno.env` by default. */
  readonly environment?: EnvironmentReader;
  readonly runner?: CommandRunner;
}

/** Whether the program is installed as a service on its state root, and how that stands. */
export function serviceCheck(options: ServiceCheckOptions): Check {
  return { name: "service", examine: () => examine(options) };
}

async function examine(
  { program, stateRoot, environment = Deno.env, runner = systemRunner }: ServiceCheckOptions,
): Promise<Finding> {
  const report = await readServiceReport(program, stateRoot, environment, runner);
  if (report === undefined) {
    return skipped(
      "It is not installed as a service for this state folder.",
      `Run \`${program} install\` to have it start by itself.`,
    );
  }
  const seen = `The service is ${serviceReportText(report)}.`;
  const { status } = report;
  if (status === undefined) {
    return warning("service_manager_unavailable", seen, "Ask the service manager by hand how the service stands.");
  }
  if (!status.running) return warning("service_command_failed", seen, `Run \`${program} start\`.`);
  if (status.enabled === false) {
    return warning("service_command_failed", seen, `Run \`${program} install\` to have it start by itself again.`);
  }
  return ok(seen);
}
