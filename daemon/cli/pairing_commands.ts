import { renderUnicodeCompact } from "uqr";
import { PalyraError } from "../../identity/palyra_error.ts";
import type { MintPairingCodeResponse, PairingRequestView } from "../../proto/gen/admin.ts";
import { newCommand } from "../../transport/program/cli_command.ts";
import { print } from "../../transport/program/cli_output.ts";
import { coloursFor } from "../../transport/program/colour.ts";
import { parseCapabilityNames } from "./capability_names.ts";
import { withAdmin } from "./admin_connection.ts";
import { daemonCommand } from "./daemon_command.ts";
import { parseDuration } from "./duration.ts";
import { pairingListCommand } from "./pairing_list_command.ts";
import { printFields } from "./print_table.ts";
import { printView } from "./print_view.ts";
import { timeText } from "./time_text.ts";

/** `palyrad pairing …` */
export function pairingCommand() {
  return newCommand("pairing", "Pair devices: make codes, see who used them, approve or reject.")
    .addCommand(codeCommand())
    .addCommand(pairingListCommand())
    .addCommand(decideCommand("approve"))
    .addCommand(decideCommand("reject"));
}

function codeCommand() {
  return daemonCommand("code", "Make a pairing code and show it once.", [
    { command: "palyrad pairing code", explanation: "a QR picture and its token, for 10 minutes" },
    { command: "palyrad pairing code --pin --ttl 2m", explanation: "six digits to type on the other machine" },
    { command: "palyrad pairing code --approve", explanation: "whoever holds it is approved at once" },
  ])
    .option("--pin", "a PIN of six digits instead of a QR token")
    .option("--ttl <duration>", "how long it lives: 30s to 24h", "10m")
    .option("--approve", "approve whoever pairs with it, without asking again")
    .option("--kind <kind>", "what the device may be: node, desktop or cli", "node")
    .action(async (options) => {
      const ttlMs = parseDuration(options.ttl, "--ttl");
      await withAdmin(options, async (admin) => {
        const minted = await admin.mintPairingCode({
          method: options.pin ? "pin" : "qr",
          ttlMs,
          approve: options.approve ?? false,
          clientKind: options.kind,
        });
        if (options.json) printView(minted);
        else printCode(minted);
      });
    });
}

function printCode(minted: MintPairingCodeResponse): void {
  const { code, secretText, endpoints, replacedCodeId } = minted;
  const colours = coloursFor(Deno.stdout);
  if (code?.method === "pin") {
    print(`PIN ${colours.bold(`${secretText.slice(0, 3)} ${secretText.slice(3)}`)}`);
    if (replacedCodeId !== "") print("It takes the place of the PIN before it, which is dead now.");
    print("");
    print("On the other machine type:");
    for (const endpoint of endpoints) print(`  palyra-node pair --daemon ${endpoint}`);
  } else {
    print(renderUnicodeCompact(secretText, { ecc: "L", border: 2 }));
    print("");
    if (code?.clientKind === "node") {
      print("On the other machine type:");
      print(`  palyra-node pair ${secretText}`);
    } else {
      print(`Give this token to the program that pairs as a ${code?.clientKind ?? "device"}:`);
      print(`  ${secretText}`);
    }
  }
  print("");
  const expiry = `It works once and expires ${timeText(code?.expiresAtUnixMs ?? 0)}.`;
  print(
    code?.approve
      ? `${expiry} Whoever uses it is approved at once.`
      : `${expiry} Then approve the device: palyrad pairing list`,
  );
}

function decideCommand(verb: "approve" | "reject") {
  const approve = verb === "approve";
  const command = daemonCommand(verb, approve ? "Admit a device that waits." : "Turn a device that waits away.", [
    { command: `palyrad pairing ${verb} 4C7Q`, explanation: "the last characters of the request's id are enough" },
    ...approve
      ? [{ command: "palyrad pairing approve 4C7Q --only echo,system.health", explanation: "and grant it these two" }]
      : [],
  ])
    .argument("<request>", "id of the pairing request, or its last 4 characters or more")
    .option("--reason <text>", "kept with the decision")
    .option("--replace", "admit it although its device id belongs to another key")
    .option("--only <names>", "grant these of what it asks for, with commas between; default: all it was not denied");
  return command.action(async (requestId, options) => {
    const { reason = "", replace = false } = options;
    if (!approve && (replace || options.only !== undefined)) {
      throw new PalyraError("invalid_argument", "--replace and --only go with approve.");
    }
    const only = options.only === undefined ? undefined : { names: parseCapabilityNames(options.only) };
    const order = { requestId, reason, replace, only };
    await withAdmin(options, async (admin) => {
      const decided = await (approve ? admin.approvePairing(order) : admin.rejectPairing(order));
      if (options.json) printView(decided);
      else printDecision(decided);
    });
  });
}

function printDecision(request: PairingRequestView): void {
  printFields([
    ["device", `${request.deviceName} (${request.deviceId})`],
    ["state", request.state],
    ["kind", request.clientKind],
    ["platform", request.platform],
    ["fingerprint", request.shortFingerprint],
    ["granted", request.grantedCapabilities.join(", ")],
  ]);
}
