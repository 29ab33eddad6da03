import { shortFingerprint } from "../../identity/fingerprint.ts";
import { parseFingerprint } from "../../identity/fingerprint.ts";
import type { DeviceView } from "../../proto/gen/admin.ts";
import { newCommand } from "../../transport/program/cli_command.ts";
import { print } from "../../transport/program/cli_output.ts";
import { withAdmin } from "./admin_connection.ts";
import { denyCommand, grantCommand, grantFields } from "./capability_grant_commands.ts";
import { daemonCommand } from "./daemon_command.ts";
import { recoveryCommand, recoveryFields, rotateCommand } from "./device_renewal_commands.ts";
import { everyPage } from "./every_page.ts";
import { paintState, printFields, printTable } from "./print_table.ts";
import { printView } from "./print_view.ts";
import { revokeCertificateCommand } from "./revoke_certificate_command.ts";
import { timeText } from "./time_text.ts";

/** `palyrad devices …` */
export function devicesCommand() {
  return newCommand("devices", "The paired devices: nodes, desktops and operators.")
    .addCommand(listCommand())
    .addCommand(showCommand())
    .addCommand(grantCommand())
    .addCommand(denyCommand())
    .addCommand(rotateCommand())
    .addCommand(recoveryCommand())
    .addCommand(revokeCommand())
    .addCommand(revokeCertificateCommand())
    .addCommand(removeCommand());
}

function listCommand() {
  return daemonCommand("list", "Show the paired devices.")
    .option("--all", "revoked ones too")
    .action(async (options) => {
      await withAdmin(options, async (admin) => {
        const devices = await everyPage(async (afterDeviceId) => {
          const page = await admin.listDevices({ includeRevoked: options.all ?? false, afterDeviceId });
          return { entries: page.devices, cut: page.cut };
        });
        if (options.json) return printView({ devices });
        printTable(
          [
            { title: "DEVICE" },
            { title: "NAME" },
            { title: "KIND" },
            { title: "STATUS", paint: paintState },
            { title: "FINGERPRINT" },
            { title: "PAIRED" },
          ],
          devices.map((device) => [
            device.deviceId,
            device.deviceName,
            device.clientKind,
            device.recoveryAlarm === "" ? device.status : `${device.status}, ALARM`,
            short(device.identityFingerprint),
            timeText(device.pairedAtUnixMs),
          ]),
          "No devices. Pair one: palyrad pairing code",
        );
      });
    });
}

function showCommand() {
  return daemonCommand("show", "Show one device with its certificates.")
    .argument("<device>", "device id, or the name of a node")
    .action(async (deviceId, options) => {
      await withAdmin(options, async (admin) => {
        const device = await admin.getDevice({ deviceId });
        if (options.json) printView(device);
        else printDevice(device);
      });
    });
}

function revokeCommand() {
  return daemonCommand("revoke", "End a device's pairing for good and cut its connections.", [
    { command: 'palyrad devices revoke laptop --reason "stolen"', explanation: "it cannot pair again until removed" },
  ])
    .argument("<device>", "device id, or the name of a node")
    .option("--reason <text>", "kept with the device")
    .action(async (deviceId, options) => {
      await withAdmin(options, async (admin) => {
        const device = await admin.revokeDevice({ deviceId, reason: options.reason ?? "" });
        if (options.json) printView(device);
        else printDevice(device);
      });
    });
}

function removeCommand() {
  return daemonCommand("remove", "Forget a device; one that is still paired is revoked first.")
    .argument("<device>", "device id, or the name of a node")
    .option("--reason <text>", "for the log")
    .action(async (deviceId, options) => {
      await withAdmin(options, async (admin) => {
        const removed = await admin.removeDevice({ deviceId, reason: options.reason ?? "" });
        if (options.json) printView(removed);
        else print(`Removed ${removed.deviceId}.`);
      });
    });
}

function short(fingerprint: string): string {
  return shortFingerprint(parseFingerprint(fingerprint));
}

function printDevice(device: DeviceView): void {
  printFields([
    ["device", device.deviceId],
    ["name", device.deviceName],
    ["kind", device.clientKind],
    ["status", device.status],
    ["connected", device.clientKind === "node" ? (device.connected ? "yes" : "no") : ""],
    ["platform", device.platform],
    ["fingerprint", short(device.identityFingerprint)],
    ["paired", timeText(device.pairedAtUnixMs)],
    ["approved by", device.approvedBy],
    ...grantFields(device),
    ...recoveryFields(device),
    ["revoked", timeText(device.revokedAtUnixMs)],
    ["reason", device.revokedReason],
  ]);
  for (const certificate of device.certificates) {
    const state = certificate.revoked
      ? `revoked: ${certificate.revokedReason}`
      : `expires ${timeText(certificate.expiresAtUnixMs)}`;
    print(`  certificate ${certificate.fingerprint} ${state}`);
  }
}
