import type { ListenerView } from "../../proto/gen/admin.ts";
import { print } from "../../transport/program/cli_output.ts";
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
    await withAdmin(options, async (admin) => {
      const status = await admin.getStatus({});
      if (options.json) return printView(status);
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
      for (const listener of status.listeners) {
        print(`${listener.name.padEnd(15)}  ${listener.serving ? trafficOf(listener) : listener.detail}`);
      }
    });
  });
}

/** Where a listener is reached, by how many, and what it has refused. */
function trafficOf({ address, connections, refusals }: ListenerView): string {
  const parts = [address, `${connections} ${connections === 1 ? "connection" : "connections"}`];
  const refused = refusals.map(({ reasonCode, count }) => `${count} ${reasonCode}`).join(", ");
  if (refused !== "") parts.push(`refused ${refused}`);
  return parts.join("  ");
}
