import { PalyraError } from "../../identity/palyra_error.ts";
import type { DeviceView } from "../../proto/gen/admin.ts";
import { print } from "../../transport/program/cli_output.ts";
import { withAdmin } from "./admin_connection.ts";
import { daemonCommand } from "./daemon_command.ts";
import { printFields } from "./print_table.ts";
import { printView } from "./print_view.ts";
import { timeText } from "./time_text.ts";

/** `palyrad devices rotate` */
export function rotateCommand() {
  return daemonCommand(
    "rotate",
    "Have a node renew its key and certificate now, or as soon as it connects. What it has stays valid until it has used " +
      "the new one, so this never locks it out; to shut it out there is `palyrad devices revoke`.",
    [{
      command: "palyrad devices rotate laptop",
      explanation: "a new key, say after its disk was looked at by others",
    }],
  )
    .argument("<device>", "device id, or the name of a node")
    .action(async (deviceId, options) => {
      await withAdmin(options, async (admin) => {
        const rotation = await admin.rotateDevice({ deviceId });
        if (options.json) return printView(rotation);
        print(
          rotation.asked
            ? `Asked ${rotation.deviceId} for a new certificate.`
            : `${rotation.deviceId} is not connected; it is asked as soon as it is.`,
        );
      });
    });
}

/** `palyrad devices recovery` */
export function recoveryCommand() {
  return daemonCommand(
    "recovery",
    "Whether a device whose certificate is of no use any more comes back by itself, with its device key; and the end of " +
      "the alarm that two machines seem to have that key.",
    [
      { command: "palyrad devices recovery laptop", explanation: "when it recovered, and from where" },
      {
        command: "palyrad devices recovery laptop --forbid",
        explanation: "once its certificate ends it has to pair again",
      },
      { command: "palyrad devices recovery laptop --acknowledge", explanation: "you have seen to the alarm" },
    ],
  )
    .argument("<device>", "device id, or the name of a node")
    .option("--allow", "let it recover")
    .option("--forbid", "do not let it recover")
    .option("--acknowledge", "end the alarm")
    .action(async (deviceId, options) => {
      const { allow = false, forbid = false, acknowledge = false } = options;
      if (allow && forbid) {
        throw new PalyraError("invalid_argument", "Give --allow or --forbid, not both of them.");
      }
      await withAdmin(options, async (admin) => {
        const device = allow || forbid || acknowledge
          ? await admin.setDeviceRecovery({
            deviceId,
            allowed: allow ? true : forbid ? false : undefined,
            acknowledgeAlarm: acknowledge,
          })
          : await admin.getDevice({ deviceId });
        if (options.json) return printView(device);
        printFields([
          ["device", `${device.deviceName} (${device.deviceId})`],
          ["may recover", device.recoveryAllowed ? "yes" : "no"],
          ...recoveryFields(device),
        ]);
      });
    });
}

/** How a device comes by its certificates, where there is something to say. */
export function recoveryFields(device: DeviceView): [name: string, value: string][] {
  const recoveries = device.recoveries.map(({ atUnixMs, remoteAddress }) =>
    `${timeText(atUnixMs)} from ${remoteAddress}`
  );
  return [
    ["ALARM", device.recoveryAlarm && `${device.recoveryAlarm} ${ALARM_CURE}`],
    ["recovered", device.recoveryCount === 0 ? "" : `${device.recoveryCount} times; ${recoveries.join(", ")}`],
    ["recovery", device.recoveryAllowed ? "" : "forbidden (palyrad devices recovery DEVICE --allow)"],
    ["rotation", device.rotationPending ? "asked for, and not done yet" : ""],
  ];
}

const ALARM_CURE = "Somebody else may have a copy of its key. If so, revoke it and pair the real one anew; if not, " +
  "`palyrad devices recovery DEVICE --acknowledge`.";
