import { PalyraError } from "../../identity/palyra_error.ts";
import type { NodeView } from "../../proto/gen/admin.ts";
import { newCommand } from "../../transport/program/cli_command.ts";
import { print } from "../../transport/program/cli_output.ts";
import { MAX_INPUT_BYTES, MAX_OUTPUT_BYTES } from "../capability_order.ts";
import { withAdmin } from "./admin_connection.ts";
import { daemonCommand } from "./daemon_command.ts";
import { parseCount } from "./count.ts";
import { parseDuration } from "./duration.ts";
import { everyPage } from "./every_page.ts";
import { eventsCommand, notifyCommand } from "./node_events_commands.ts";
import { paintState, printFields, printTable } from "./print_table.ts";
import { printView } from "./print_view.ts";
import { readBounded } from "./read_bounded.ts";
import { reportRequest } from "./request_output.ts";
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
            capability.granted ? "yes" : "no",
            capability.requiresLocalMediation ? "by its owner" : "",
            capability.unavailableReason,
          ]),
          "It declares no capabilities.",
        );
      });
    });
}

function invokeCommand() {
  return daemonCommand("invoke", "Run a capability on a node and print its output.", [
    { command: "palyrad nodes invoke laptop system.health", explanation: "by name" },
    { command: `palyrad nodes invoke laptop echo --input-json '{"a":1}'`, explanation: "with input" },
    { command: "palyrad nodes invoke laptop echo --no-wait", explanation: "queue it and print its id" },
  ])
    .argument("<node>", "device id or name")
    .argument("<capability>", "for example system.health")
    .option("--input-json <json>", "input as JSON")
    .option("--input-file <file>", "input from a file")
    .option("--input-stdin", "input from standard input")
    .option(
      "--timeout <duration>",
      "how long it may take, waiting for the node included (default 30s; 24h with --no-wait)",
    )
    .option("--no-wait", "do not wait for the end")
    .option("--idempotency-key <key>", "the same key again returns the first request")
    .option("--max-payload-bytes <count>", "largest output to accept (default 65536)")
    .action(async (deviceId, capability, options) => {
      const order = {
        deviceId,
        capability,
        inputJson: await readInput(options),
        maxPayloadBytes: options.maxPayloadBytes === undefined
          ? 0
          : parseCount(options.maxPayloadBytes, "--max-payload-bytes", MAX_OUTPUT_BYTES),
        timeoutMs: options.timeout === undefined ? 0 : parseDuration(options.timeout, "--timeout"),
        idempotencyKey: options.idempotencyKey ?? "",
      };
      const code = await withAdmin(options, async (admin) => {
        const request = await (options.wait ? admin.execute(order) : admin.submit(order));
        return reportRequest(request, options.json ?? false);
      });
      if (code !== 0) Deno.exit(code);
    });
}

async function readInput(options: {
  readonly inputJson?: string | undefined;
  readonly inputFile?: string | undefined;
  readonly inputStdin?: true | undefined;
}): Promise<Uint8Array> {
  const given = [options.inputJson, options.inputFile, options.inputStdin].filter((each) => each !== undefined);
  if (given.length > 1) {
    throw new PalyraError("invalid_argument", "Give one of --input-json, --input-file and --input-stdin.");
  }
  if (options.inputJson?.trim() === "") {
    throw new PalyraError("invalid_argument", "--input-json is empty; leave it out for no input.");
  }
  if (options.inputStdin) return await readBounded(Deno.stdin, MAX_INPUT_BYTES, "the input");
  if (options.inputFile !== undefined) {
    const unreadable = (cause: unknown) => {
      if (cause instanceof PalyraError) throw cause;
      throw new PalyraError("invalid_argument", `The input file ${options.inputFile} cannot be read.`, { cause });
    };
    using file = await Deno.open(options.inputFile).catch(unreadable);
    return await readBounded(file, MAX_INPUT_BYTES, "the input").catch(unreadable);
  }
  return new TextEncoder().encode(options.inputJson ?? "");
}
