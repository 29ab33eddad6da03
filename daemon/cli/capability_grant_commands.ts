import type { DeviceView } from "../../proto/gen/admin.ts";
import { withAdmin } from "./admin_connection.ts";
import { daemonCommand } from "./daemon_command.ts";
import { printFields } from "./print_table.ts";
import { printView } from "./print_view.ts";

/** `palyrad devices grant` */
export function grantCommand() {
  return daemonCommand("grant", "Let a node run capabilities that it offers; what it was denied is allowed again.", [
    { command: "palyrad devices grant laptop desktop.open_url", explanation: "one that waits for a decision" },
    { command: "palyrad devices show 01JT…", explanation: "which of them wait" },
  ])
    .argument("<device>", "device id, or the name of a node")
    .argument("<capability...>", "names like system.health")
    .action(async (deviceId, capabilities, options) => {
      await withAdmin(options, async (admin) => {
        const device = await admin.setCapabilityGrant({ deviceId, grant: capabilities, deny: [] });
        if (options.json) printView(device);
        else printGrant(device);
      });
    });
}

/** `palyrad devices deny` */
export function denyCommand() {
  return daemonCommand(
    "deny",
    "Never let a node run these capabilities, whatever was granted; what runs now goes on.",
    [
      { command: "palyrad devices deny laptop desktop.open_path", explanation: "what waits for it is rejected" },
    ],
  )
    .argument("<device>", "device id, or the name of a node")
    .argument("<capability...>", "names like system.health")
    .action(async (deviceId, capabilities, options) => {
      await withAdmin(options, async (admin) => {
        const device = await admin.setCapabilityGrant({ deviceId, grant: [], deny: capabilities });
        if (options.json) printView(device);
        else printGrant(device);
      });
    });
}

function printGrant(device: DeviceView): void {
  printFields([
    ["device", `${device.deviceName} (${device.deviceId})`],
    ...grantFields(device),
  ]);
}

/** What a device may run and may not, and what waits for a decision. */
export function grantFields(device: DeviceView): [name: string, value: string][] {
  const waits = device.pendingCapabilities.join(", ");
  return [
    ["granted", device.grantedCapabilities.join(", ")],
    ["denied", device.deniedCapabilities.join(", ")],
    ["undecided", waits && `${waits} (palyrad devices grant or deny)`],
  ];
}
