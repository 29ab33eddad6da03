import { PalyraError } from "../../identity/palyra_error.ts";
import type { LateResult, RequestView } from "../../proto/gen/admin.ts";
import type { Progress } from "../../proto/gen/node.ts";
import { newCommand } from "../../transport/program/cli_command.ts";
import { print, reportLine } from "../../transport/program/cli_output.ts";
import { MAX_LIST_ENTRIES } from "../list_page.ts";
import { withAdmin } from "./admin_connection.ts";
import { parseCount } from "./count.ts";
import { daemonCommand } from "./daemon_command.ts";
import { orderCommand, readOrder } from "./order_command.ts";
import { paintState, printFields, printTable } from "./print_table.ts";
import { printForeign, printView } from "./print_view.ts";
import { followRequest, type SeenProgress } from "./request_wait.ts";
import { timeText } from "./time_text.ts";

const utf8 = new TextDecoder();

/** `palyrad requests …` */
export function requestsCommand() {
  return newCommand("requests", "What nodes were asked to do, and how it ended.")
    .addCommand(listCommand())
    .addCommand(showCommand())
    .addCommand(watchCommand())
    .addCommand(submitCommand())
    .addCommand(cancelCommand());
}

function listCommand() {
  return daemonCommand("list", "Show the newest requests.", [
    { command: "palyrad requests list --node laptop --state failed", explanation: "narrowed down" },
  ])
    .option("--node <node>", "only those of one node, by device id or name")
    .option("--state <state>", "only those in this state")
    .option("--limit <count>", "at most so many", "20")
    .action(async (options) => {
      const limit = parseCount(options.limit, "--limit", MAX_LIST_ENTRIES);
      await withAdmin(options, async (admin) => {
        const listed = await admin.listRequests({
          deviceId: options.node ?? "",
          state: options.state?.replaceAll("-", "_") ?? "",
          limit,
        });
        if (options.json) return printView(listed);
        printTable(
          [
            { title: "REQUEST" },
            { title: "NODE" },
            { title: "CAPABILITY" },
            { title: "STATE", paint: paintState },
            { title: "PRIORITY" },
            { title: "ATTEMPT", align: "right" },
            { title: "ASKED" },
            { title: "BY" },
            { title: "ERROR" },
          ],
          listed.requests.map((request) => [
            request.requestId,
            request.deviceId,
            request.capability,
            request.state,
            request.priority,
            String(request.attempt),
            timeText(request.createdAtUnixMs),
            request.requestedBy,
            request.errorCode,
          ]),
          "No requests.",
        );
        if (listed.cut) reportLine("There are more than fit here: narrow down with --node, --state or --limit.");
      });
    });
}

function showCommand() {
  return daemonCommand("show", "Show one request with its output.")
    .argument("<request>", "request id")
    .action(async (requestId, options) => {
      await withAdmin(options, async (admin) => {
        const request = await admin.getRequest({ requestId });
        if (options.json) return printView(request);
        printFields([
          ["request", request.requestId],
          ["node", request.deviceId],
          ["capability", request.capability],
          ["state", request.state],
          ["attempt", String(request.attempt)],
          ["priority", request.priority],
          ["on disconnect", request.onDisconnect],
          ["key", request.idempotencyKey],
          ["asked by", request.requestedBy],
          ["asked", timeText(request.createdAtUnixMs)],
          ["dispatched", timeText(request.dispatchedAtUnixMs)],
          ["ended", timeText(request.completedAtUnixMs)],
          ["waits until", request.attempt === 0 ? timeText(request.ttlEndsAtUnixMs) : ""],
          ["deadline", timeText(request.deadlineUnixMs)],
          ["input", request.inputSummary],
          ["output", utf8.decode(request.outputJson)],
          ["error", request.error && `${request.error} [${request.errorCode}]`],
          ["late result", lateText(request.lateResult)],
        ]);
      });
    });
}

function lateText(late: LateResult | undefined): string {
  if (late === undefined) return "";
  const end = late.success ? "it succeeded" : `it failed [${late.errorCode}]`;
  return `attempt ${late.attempt} told ${timeText(late.atUnixMs)} that ${end}; nothing was changed by it`;
}

function watchCommand() {
  return daemonCommand("watch", "Show how a request stands, and each change and progress of it until its end.", [
    { command: "palyrad requests watch 01M84QNGJ907HECH4JTCE6GMW7 --json", explanation: "one JSON document a line" },
  ])
    .argument("<request>", "request id")
    .option("--after <attempt/number>", "only progress after this one, like 1/12 (default: all that is kept)")
    .action(async (requestId, options) => {
      const json = options.json ?? false;
      await withAdmin(options, async (admin) => {
        await followRequest(admin, requestId, {
          live: !json,
          seen: parseCursor(options.after ?? "0/0"),
          onState: (request) => showState(request, json),
          onProgress: (progress) => showProgress(progress, json),
        });
      });
    });
}

function parseCursor(text: string): SeenProgress {
  const [, attempt, sequence] = /^(\d{1,9})\/(\d{1,9})$/.exec(text) ?? [];
  if (attempt === undefined || sequence === undefined) {
    throw new PalyraError("invalid_argument", "--after is an attempt and the number of its progress, like 1/12.");
  }
  return { attempt: Number(attempt), sequence: Number(sequence) };
}

function showState(request: RequestView, json: boolean): void {
  if (json) return printView({ event: "state", request });
  const error = request.error === "" ? "" : `: ${request.error} [${request.errorCode}]`;
  printForeign(`${request.state}${error}`);
}

function showProgress({ attempt, sequence, payloadJson }: Progress, json: boolean): void {
  const number = attempt?.attempt ?? 0;
  if (json) return printView({ event: "progress", attempt: number, sequence, payloadJson });
  printForeign(`progress ${number}/${sequence} ${utf8.decode(payloadJson)}`);
}

function submitCommand() {
  return orderCommand("submit", "Queue a request for a node and print its id, without waiting for its end.", [
    { command: "palyrad requests submit laptop backup.run --timeout 2d --priority low", explanation: "when it can" },
  ])
    .action(async (deviceId, capability, options) => {
      const order = await readOrder(deviceId, capability, options);
      await withAdmin(options, async (admin) => {
        const request = await admin.submit(order);
        if (options.json) return printView(request);
        print(request.requestId);
      });
    });
}

function cancelCommand() {
  return daemonCommand("cancel", "End a request: one that waits never runs, a running one is stopped.")
    .argument("<request>", "request id")
    .option("--reason <text>", "kept with the request")
    .action(async (requestId, options) => {
      await withAdmin(options, async (admin) => {
        const request = await admin.cancel({ requestId, reason: options.reason ?? "" });
        if (options.json) return printView(request);
        printFields([["request", request.requestId], ["state", request.state]]);
      });
    });
}
