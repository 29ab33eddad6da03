import type { NodeCapabilityView, NodeView } from "../../proto/gen/admin.ts";
import { newCommand } from "../../transport/program/cli_command.ts";
import { print, reportLine } from "../../transport/program/cli_output.ts";
import { DEFAULT_EXECUTE_TIMEOUT_MS } from "../capability_order.ts";
import { withAdmin } from "./admin_connection.ts";
import { daemonCommand } from "./daemon_command.ts";
import { everyPage } from "./every_page.ts";
import { eventsCommand, notifyCommand } from "./node_events_commands.ts";
import { orderCommand, readOrder } from "./order_command.ts";
import { paintState, printFields, printTable } from "./print_table.ts";
import { printView } from "./print_view.ts";
import { reportRequest } from "./request_output.ts";
import { followRequest, reportProgress, reportWaiting } from "./request_wait.ts";
import { timeText } from "./time_text.ts";

/** `palyrad nodes …` */
export function nodesCommand() {
  return newCommand(
    "nodes",
    "The nodes: who is connected, what they can do, having them do it, and what happened to them.",
  )
    .addCommand(listCommand())
    .addCommand(describeCommand())
    .addCommand(invokeCommand())
    .addCommand(eventsCommand())
    .addCommand(notifyCommand());
}

function presence(node: NodeView): string {
  if (!node.connected) return "offline";
  return node.draining ? "draining" : "connected";
}

function listCommand() {
  return daemonCommand("list", "Show the nodes.").action(async (options) => {
    await withAdmin(options, async (admin) => {
      const nodes = await everyPage(async (afterDeviceId) => {
        const page = await admin.listNodes({ afterDeviceId });
        return { entries: page.nodes, cut: page.cut };
      });
      if (options.json) return printView({ nodes });
      printTable(
        [
          { title: "NODE" },
          { title: "NAME" },
          { title: "PRESENCE", paint: paintState },
          { title: "OVER" },
          { title: "PLATFORM" },
          { title: "SEEN" },
          { title: "QUEUED", align: "right" },
          { title: "RUNNING", align: "right" },
        ],
        nodes.map((node) => [
          node.deviceId,
          node.deviceName,
          presence(node),
          node.transport,
          node.platform,
          node.connected ? "now" : timeText(node.lastSeenAtUnixMs),
          String(node.queued),
          String(node.inFlight),
        ]),
        "No node has connected yet. Pair one (palyrad pairing code), then start it there: palyra-node run",
      );
    });
  });
}

function describeCommand() {
  return daemonCommand("describe", "Show one node and its capabilities.")
    .argument("<node>", "device id or name")
    .action(async (deviceId, options) => {
      await withAdmin(options, async (admin) => {
        const node = await admin.getNode({ deviceId });
        if (options.json) return printView(node);
        printFields([
          ["node", node.deviceId],
          ["name", node.deviceName],
          ["calls itself", node.reportedName],
          ["presence", presence(node)],
          ["over", node.connected ? `${node.transport} from ${node.remoteAddress}` : ""],
          ["connected", timeText(node.connectedAtUnixMs)],
          ["seen", timeText(node.lastSeenAtUnixMs)],
          ["platform", node.platform],
          ["version", node.softwareVersion],
          ["queued", String(node.queued)],
          ["running", String(node.inFlight)],
        ]);
        print("");
        printTable(
          [
            { title: "CAPABILITY" },
            { title: "VERSION" },
            { title: "AVAILABLE", paint: paintState },
            { title: "GRANTED", paint: paintState },
            { title: "MEDIATION" },
            { title: "NOTE" },
          ],
          node.capabilities.map((capability) => [
            capability.name,
            capability.version,
            capability.available ? "yes" : "no",
            grantOf(capability),
            capability.requiresLocalMediation ? "by its owner" : "",
            capability.unavailableReason,
          ]),
          "It declares no capabilities.",
        );
        if (node.capabilities.some((capability) => grantOf(capability) === "undecided")) {
          reportLine(`Undecided ones do not run: palyrad devices grant ${node.deviceId} NAME, or deny.`);
        }
      });
    });
}

function grantOf({ granted, denied, available }: NodeCapabilityView): string {
  if (denied) return "denied";
  if (granted) return "yes";
  return available ? "undecided" : "no";
}

function invokeCommand() {
  return orderCommand("invoke", "Run a capability on a node and print its output.", [
    { command: "palyrad nodes invoke laptop system.health", explanation: "by name" },
    { command: `palyrad nodes invoke laptop echo --input-json '{"a":1}'`, explanation: "with input" },
    { command: "palyrad nodes invoke laptop echo --no-wait", explanation: "queue it and print its id" },
  ])
    .option("--wait", "wait for the end; Ctrl-C leaves the request running (default)")
    .option("--no-wait", "do not wait for the end")
    .action(async (deviceId, capability, options) => {
      const waits = options.wait !== false;
      const order = await readOrder(deviceId, capability, options, waits ? DEFAULT_EXECUTE_TIMEOUT_MS : 0);
      const json = options.json ?? false;
      const code = await withAdmin(options, async (admin) => {
        const submitted = await admin.submit(order);
        if (!waits) return reportRequest(submitted, json);
        const plain = !json && !Deno.stderr.isTerminal();
        const ended = await followRequest(admin, submitted.requestId, {
          live: !json,
          seen: { attempt: 0, sequence: 0 },
          onState: (request) => plain && reportWaiting(request),
          onProgress: (progress) => plain && reportProgress(progress),
        });
        return reportRequest({ ...ended, replayed: submitted.replayed }, json);
      });
      if (code !== 0) Deno.exit(code);
    });
}
