import { PalyraError } from "../../identity/palyra_error.ts";
import type { ListPairingsResponse, PairingCodeView, PairingRequestView } from "../../proto/gen/admin.ts";
import { print, reportLine } from "../../transport/program/cli_output.ts";
import { MAX_LIST_ENTRIES } from "../list_page.ts";
import { isPairingRequestState, PAIRING_REQUEST_STATES } from "../store/pairing_record.ts";
import { withAdmin } from "./admin_connection.ts";
import { parseCount } from "./count.ts";
import { daemonCommand } from "./daemon_command.ts";
import { paintState, printTable } from "./print_table.ts";
import { printView } from "./print_view.ts";
import { timeText } from "./time_text.ts";

/** `palyrad pairing list` */
export function pairingListCommand() {
  return daemonCommand("list", "Show pairing codes, who tried them in vain, and the devices that used them.", [
    { command: "palyrad pairing list --state pending_approval", explanation: "what waits for a decision" },
  ])
    .option("--state <state>", "only requests in this state")
    .option("--kind <kind>", "only devices of this kind")
    .option("--limit <count>", "at most so many of each", "20")
    .action(async (options) => {
      const state = options.state?.replaceAll("-", "_") ?? "";
      if (state !== "" && !isPairingRequestState(state)) {
        throw new PalyraError("invalid_argument", `--state is one of ${PAIRING_REQUEST_STATES.join(", ")}.`);
      }
      const limit = parseCount(options.limit, "--limit", MAX_LIST_ENTRIES);
      await withAdmin(options, async (admin) => {
        const pairings = await admin.listPairings({ state, clientKind: options.kind ?? "", limit });
        if (options.json) printView(pairings);
        else printPairings(pairings);
      });
    });
}

function printPairings({ codes, requests, cut }: ListPairingsResponse): void {
  printCodes(codes);
  const tried = codes.filter(({ failedTries }) => failedTries.length > 0);
  if (tried.length > 0) {
    print("");
    printFailedTries(tried);
  }
  print("");
  printRequests(requests);
  if (cut) reportLine("There are more than fit here: narrow down with --state, --kind or --limit.");
}

function printCodes(codes: readonly PairingCodeView[]): void {
  printTable(
    [
      { title: "CODE" },
      { title: "METHOD" },
      { title: "KIND" },
      { title: "STATE", paint: paintState },
      { title: "EXPIRES" },
      { title: "TRIES LEFT", align: "right" },
      { title: "FAILED", align: "right" },
    ],
    codes.map((code) => [
      code.codeId,
      code.method,
      code.clientKind,
      code.state,
      code.state === "live" ? timeText(code.expiresAtUnixMs) : "",
      code.state === "live" ? String(code.triesLeft) : "",
      code.failedTries.length === 0 ? "" : String(code.failedTries.length),
    ]),
    "No pairing codes. Make one: palyrad pairing code",
  );
}

/** Who tried and failed stays to be seen when the code is dead, spent or past its time. */
function printFailedTries(codes: readonly PairingCodeView[]): void {
  printTable(
    [{ title: "FAILED TRY OF" }, { title: "WHEN" }, { title: "FROM" }, { title: "AS DEVICE" }, { title: "REASON" }],
    codes.flatMap(({ codeId, failedTries }) =>
      failedTries.map((each) => [
        codeId,
        timeText(each.atUnixMs),
        each.remoteAddress,
        each.deviceId,
        each.reason,
      ])
    ),
    "",
  );
}

function printRequests(requests: readonly PairingRequestView[]): void {
  printTable(
    [
      { title: "REQUEST" },
      { title: "STATE", paint: paintState },
      { title: "NAME" },
      { title: "KIND" },
      { title: "PLATFORM" },
      { title: "FINGERPRINT" },
      { title: "FROM" },
      { title: "ASKED" },
      { title: "DEVICE" },
    ],
    requests.map((request) => [
      request.requestId,
      request.state,
      request.deviceName,
      request.clientKind,
      request.platform,
      request.shortFingerprint,
      request.remoteAddress,
      timeText(request.requestedAtUnixMs),
      request.deviceId,
    ]),
    "No pairing requests.",
  );
  for (const request of requests.filter(({ state }) => state === "pending_approval")) print(wish(request));
}

/** What there is to decide about a request, in words. */
function wish({ requestId, deviceName, requestedCapabilities, replacesDevice }: PairingRequestView): string {
  const wants = requestedCapabilities.length === 0 ? "no capabilities" : requestedCapabilities.join(", ");
  const warning = replacesDevice
    ? " Its device id belongs to another key, which approving with --replace shuts out."
    : "";
  return `${requestId.slice(-4)} (${deviceName}) asks for ${wants}.${warning}`;
}
