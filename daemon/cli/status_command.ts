import { PalyraError } from "../../identity/palyra_error.ts";
import type { ListenerView } from "../../proto/gen/admin.ts";
import { print } from "../../transport/program/cli_output.ts";
import {
  readServiceReport,
  type ServiceReport,
  serviceReportJson,
  serviceReportText,
} from "../../transport/program/service/service_report.ts";
import { stateRoot } from "../../transport/program/state_folder.ts";
import { withAdmin } from "./admin_connection.ts";
import { daemonCommand } from "./daemon_command.ts";
import { printFields } from "./print_table.ts";
import { printView } from "./print_view.ts";
import { timeText } from "./time_text.ts";

/** `palyrad status` */
export function statusCommand() {
  return daemonCommand("status", "Show whether the daemon runs and how it stands.", [
    { command: "palyrad status --json", explanation: "for programs; exit code 4 when it cannot be reached" },
  ]).action(async (options) => {
    const service = await readServiceReport("palyrad", stateRoot({ flag: options.stateRoot }));
    await withAdmin(options, async (admin) => {
      const status = await admin.getStatus({});
      if (options.json) return printView({ ...status, service: serviceReportJson(service) });
      printFields([
        ["version", `${status.version} on Deno ${status.denoVersion}`],
        ["started", timeText(status.startedAtUnixMs)],
        ["state", status.stateRoot],
        ["CA", status.caFingerprint],
        ["certificate", `expires ${timeText(status.serverCertificateExpiresAtUnixMs)}`],
        ["devices", String(status.devices)],
        ["nodes connected", String(status.nodesConnected)],
        ["requests", `${status.requestsQueued} queued, ${status.requestsInFlight} running`],
        ["pairing", `${status.pairingCodesLive} codes live, ${status.pairingRequestsPending} devices waiting`],
      ]);
      if (service !== undefined) printFields([["service", serviceReportText(service)]]);
      for (const listener of status.listeners) {
        print(`${listener.name.padEnd(15)}  ${listener.serving ? trafficOf(listener) : listener.detail}`);
      }
    }).catch((error: unknown) => {
      throw explained(error, service);
    });
  });
}

/** Whose service is installed wants to know how that stands when the daemon is not there. */
function explained(error: unknown, service: ServiceReport | undefined): unknown {
  if (service === undefined || !(error instanceof PalyraError) || error.code !== "daemon_unreachable") return error;
  return new PalyraError(
    error.code,
    `The daemon does not answer. Its service: ${serviceReportText(service)}. Start it with \`palyrad start\`.`,
    { cause: error },
  );
}

/** Where a listener is reached, by how many, and what it has refused. */
function trafficOf({ address, connections, refusals }: ListenerView): string {
  const parts = [address, `${connections} ${connections === 1 ? "connection" : "connections"}`];
  const refused = refusals.map(({ reasonCode, count }) => `${count} ${reasonCode}`).join(", ");
  if (refused !== "") parts.push(`refused ${refused}`);
  return parts.join("  ");
}
