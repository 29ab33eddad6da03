import { parseFingerprint, shortFingerprint } from "../../identity/fingerprint.ts";
import type { AuthorityProgressView, AuthorityView } from "../../proto/gen/admin.ts";
import { print } from "../../transport/program/cli_output.ts";
import { withAdmin } from "./admin_connection.ts";
import { daemonCommand } from "./daemon_command.ts";
import { paintState, printTable } from "./print_table.ts";
import { printView } from "./print_view.ts";
import { timeText } from "./time_text.ts";

/** `palyrad ca show` */
export function caShowCommand() {
  return daemonCommand("show", "Show the CA, those beside it while it changes, and how far each device has come.", [
    { command: "palyrad ca show --json | jq .phase", explanation: "stable, introducing or retiring" },
  ]).action(async (options) => {
    await withAdmin(options, async (admin) => {
      const authority = await admin.getAuthority({});
      if (options.json) printView(authority);
      else printAuthority(authority);
    });
  });
}

/** The CAs as a table, the progress of a rotation, and what comes next. */
export function printAuthority(view: AuthorityView): void {
  printTable(
    [
      { title: "ROLE" },
      { title: "FINGERPRINT" },
      { title: "CREATED" },
      { title: "EXPIRES" },
      { title: "CERTIFICATES IN USE" },
    ],
    view.authorities.map((authority) => [
      authority.role,
      shortFingerprint(parseFingerprint(authority.fingerprint)),
      timeText(authority.createdAtUnixMs),
      timeText(authority.expiresAtUnixMs),
      String(authority.validCertificates),
    ]),
    "There is no CA.",
  );
  print(`The server's certificate expires ${timeText(view.serverCertificateExpiresAtUnixMs)}; it renews itself.`);
  if (view.phase === "stable") return;
  print("");
  printTable(
    [
      { title: "DEVICE" },
      { title: "NAME" },
      { title: "CONNECTED" },
      { title: "TRUSTS THE NEW CA", paint: paintState },
      { title: "HAS ITS CERTIFICATE", paint: paintState },
    ],
    view.progress.map((each) => [
      each.deviceId,
      each.deviceName,
      yesNo(each.connected),
      // Nobody can say of who is away.
      each.connected || each.trustsNewest ? yesNo(each.trustsNewest) : "not known",
      yesNo(each.hasNewestCertificate),
    ]),
    "No devices are paired.",
  );
  if (view.cut) print("There are more devices.");
  print("");
  print(nextStep(view));
}

/** What an operator does next. */
export function nextStep({ phase, progress }: AuthorityView): string {
  if (phase === "retiring") {
    return "The new CA issues. The one before it goes by itself when its last certificate has expired or was replaced.";
  }
  const behind = progress.filter(isBehind).length;
  return behind > 0
    ? `${behind} connected ${
      behind === 1 ? "device does" : "devices do"
    } not trust the new CA yet: look again in a moment.`
    : "Every connected device trusts the new CA. Go on with `palyrad ca rotate --complete`; devices that are away come " +
      "back by themselves later.";
}

function isBehind({ connected, trustsNewest }: AuthorityProgressView): boolean {
  return connected && !trustsNewest;
}

function yesNo(value: boolean): string {
  return value ? "yes" : "no";
}
