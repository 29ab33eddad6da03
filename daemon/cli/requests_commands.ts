import type { RequestView } from "../../proto/gen/admin.ts";
import type { Progress } from "../../proto/gen/node.ts";
import { newCommand } from "../../transport/program/cli_command.ts";
import { reportLine } from "../../transport/program/cli_output.ts";
import { MAX_LIST_ENTRIES } from "../list_page.ts";
import { withAdmin } from "./admin_connection.ts";
import { parseCount } from "./count.ts";
import { daemonCommand } from "./daemon_command.ts";
import { paintState, printFields, printTable } from "./print_table.ts";
import { printForeign, printView } from "./print_view.ts";
import { timeText } from "./time_text.ts";

const utf8 = new TextDecoder();

/** `palyrad requests …` */
export function requestsCommand() {
  return newCommand("requests", "What nodes were asked to do, and how it ended.")
    .addCommand(listCommand())
    .addCommand(showCommand())
    .addCommand(watchCommand())
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
          ["asked by", request.requestedBy],
          ["asked", timeText(request.createdAtUnixMs)],
          ["dispatched", timeText(request.dispatchedAtUnixMs)],
          ["ended", timeText(request.completedAtUnixMs)],
          ["deadline", timeText(request.deadlineUnixMs)],
          ["input", request.inputSummary],
          ["output", utf8.decode(request.outputJson)],
          ["error", request.error && `${request.error} [${request.errorCode}]`],
        ]);
      });
    });
}

function watchCommand() {
  return daemonCommand("watch", "Show how a request stands, and each change and progress of it until its end.", [
    { command: "palyrad requests watch 01M84QNGJ907HECH4JTCE6GMW7 --json", explanation: "one JSON document a line" },
  ])
    .argument("<request>", "request id")
    .action(async (requestId, options) => {
      await withAdmin(options, async (admin) => {
        for await (const { event } of admin.watch({ requestId })) {
          if (event?.$case === "state") showState(event.value, options.json ?? false);
          if (event?.$case === "progress") showProgress(event.value, options.json ?? false);
        }
      });
    });
}

function showState(request: RequestView, json: boolean): void {
  if (json) return printView({ event: "state", request });
  const error = request.error === "" ? "" : `: ${request.error} [${request.errorCode}]`;
  printForeign(`${request.state}${error}`);
}

function showProgress({ payloadJson }: Progress, json: boolean): void {
  if (json) return printView({ event: "progress", payloadJson });
  printForeign(`progress ${utf8.decode(payloadJson)}`);
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
