import { shortFingerprint } from "../../identity/fingerprint.ts";
import { PalyraError } from "../../identity/palyra_error.ts";
import { MAX_QR_TOKEN_CHARACTERS, parseQrToken, type QrToken } from "../../identity/qr_token.ts";
import {
  type CliCommand,
  newCommand,
  print,
  printableText,
  printJson,
  readSecret,
  reportLine,
  shutdownSignal,
  tableLines,
} from "../../transport/program/mod.ts";
import { capabilitySet, logLeftOut, requestedCapabilities } from "../capability_set.ts";
import { defaultDeviceName, hostPlatform } from "../host_platform.ts";
import type { NodeHostRecord } from "../node_host_record.ts";
import { NodeHostState } from "../node_host_state.ts";
import { PairingClient, type PairingProgress } from "../pairing_client.ts";
import { CAPABILITIES_OPTION, CONFIG_OPTION, configForShortVerb, STATE_ROOT_OPTION } from "./shared_options.ts";

/** In place of a token: read it from standard input, so that it is in no process list and no shell history. */
const FROM_STANDARD_INPUT = "-";

const EXAMPLES = [
  { command: "palyra-node pair palyra1:AbC…", explanation: "with the token that `palyrad pairing code` shows" },
  { command: "palyra-node pair - < token.txt", explanation: "the same, from standard input" },
  { command: "palyra-node pair --daemon gateway:7445", explanation: "with a PIN, which is asked for" },
  { command: "palyra-node pair", explanation: "go on with a pairing that waits for its approval" },
];

/** `palyra-node pair`. */
export function pairCommand(): CliCommand {
  const command = newCommand("pair", "Pair this machine with a daemon, once.", EXAMPLES);
  command
    .argument("[token]", "the pairing token; - reads it from standard input")
    .option("--daemon <host:port>", "pair with a PIN at this enrolment listener")
    .option("--name <name>", "what people know this machine by (default: its host name)")
    .option("--force", "replace the pairing there is, once the new one is complete")
    .option(...CAPABILITIES_OPTION)
    .option(...STATE_ROOT_OPTION)
    .option(...CONFIG_OPTION)
    .action(async (token, options) => {
      if (token !== undefined && options.daemon !== undefined) {
        throw new PalyraError(
          "invalid_argument",
          "Give either a token or --daemon, not both: a token names its daemon.",
        );
      }
      const json = options.json === true;
      const parsedToken = token === undefined ? undefined : await readToken(token);
      const config = await configForShortVerb(options, options.name);
      const { registry, leftOut } = await capabilitySet(config);
      logLeftOut(leftOut);
      using state = await NodeHostState.open(config.stateFolder);
      const client = new PairingClient({
        state,
        platform: hostPlatform(),
        deviceName: config.deviceName ?? await defaultDeviceName(),
        requestedCapabilities: await requestedCapabilities(registry),
        force: options.force === true,
        onProgress: (progress) => showProgress(progress, json),
      });
      showOutcome(await pair(client, parsedToken, options.daemon), json);
    });
  return command;
}

async function readToken(argument: string): Promise<QrToken> {
  if (argument !== FROM_STANDARD_INPUT) return parseQrToken(argument);
  return parseQrToken(await readSecret("token", { maxLength: MAX_QR_TOKEN_CHARACTERS }));
}

async function pair(
  client: PairingClient,
  token: QrToken | undefined,
  daemon: string | undefined,
): Promise<NodeHostRecord> {
  if (token !== undefined) {
    using shutdown = shutdownSignal();
    return await client.pairByToken(token, shutdown.signal);
  }
  if (daemon !== undefined) {
    // Before somebody types a PIN in vain.
    await client.requireUnpaired();
    const pin = await readSecret("PIN");
    using shutdown = shutdownSignal();
    return await client.pairByPin(daemon, pin, shutdown.signal);
  }
  using shutdown = shutdownSignal();
  return await client.resume(shutdown.signal);
}

function showProgress(progress: PairingProgress, json: boolean): void {
  if (progress.kind === "unreachable") {
    const { code, message } = progress.failure;
    if (json) printJson({ action: "pair", state: "unreachable", code, message });
    else reportLine(`The daemon cannot be asked now; asking goes on. ${printableText(message)}`);
    return;
  }
  const { pending, identityFingerprint } = progress;
  const shown = shortFingerprint(identityFingerprint);
  if (json) {
    printJson({
      action: "pair",
      state: "pending_approval",
      request_id: pending.sessionId,
      device_id: pending.deviceId,
      device_name: pending.deviceName,
      identity_fingerprint: identityFingerprint,
      short_fingerprint: shown,
    });
    return;
  }
  print("The daemon knows this machine now. Its operator compares the fingerprint and approves:");
  print("");
  const rows = [
    ["  fingerprint", shown],
    ["  device", `${pending.deviceName} (${pending.deviceId})`],
    ["  approve with", `palyrad pairing approve ${pending.sessionId}`],
  ];
  for (const line of tableLines({ columns: [{ title: "" }, { title: "" }], rows })) print(line);
  print("");
  print("Waiting for the decision. Ctrl-C stops the waiting, not the request.");
}

function showOutcome(record: NodeHostRecord, json: boolean): void {
  if (json) {
    printJson({
      action: "pair",
      state: "completed",
      device_id: record.deviceId,
      device_name: record.deviceName,
      daemon_endpoints: record.nodeEndpoints,
      ca_fingerprint: record.caFingerprint,
      paired_at_unix_ms: record.pairedAt ?? null,
    });
    return;
  }
  print(`Paired: this machine is ${printableText(record.deviceName)} (${record.deviceId}).`);
  print("Start it with `palyra-node run`.");
}
