import { withAdmin } from "./admin_connection.ts";
import { daemonCommand } from "./daemon_command.ts";
import { printFields } from "./print_table.ts";
import { printView } from "./print_view.ts";
import { print } from "../../transport/program/cli_output.ts";

/** `palyrad devices revoke-certificate` */
export function revokeCertificateCommand() {
  return daemonCommand(
    "revoke-certificate",
    "Revoke one certificate and cut its connections. The device stays paired and comes back by its device key, unless " +
      "recovery is forbidden for it; to shut the device out use `palyrad devices revoke`.",
    [
      {
        command: 'palyrad devices revoke-certificate 3f2a91c0 --reason "key copied"',
        explanation: "`palyrad devices show DEVICE` has the fingerprints",
      },
    ],
  )
    .argument("<fingerprint>", "SHA-256 of the certificate in hex, or at least its first 8 digits")
    .option("--reason <text>", "kept with the certificate")
    .action(async (fingerprint, options) => {
      await withAdmin(options, async (admin) => {
        const device = await admin.revokeCertificate({ fingerprint, reason: options.reason ?? "" });
        if (options.json) return printView(device);
        const now = Date.now();
        const valid = device.certificates.filter(({ revoked, expiresAtUnixMs }) => !revoked && expiresAtUnixMs > now);
        printFields([
          ["device", device.deviceId],
          ["name", device.deviceName],
          ["status", device.status],
          ["valid", `${valid.length} of its certificates`],
        ]);
        print("Revoked. To shut the device itself out: palyrad devices revoke");
      });
    });
}
