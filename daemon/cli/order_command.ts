import { PalyraError } from "../../identity/palyra_error.ts";
import type { CliExample } from "../../transport/program/cli_command.ts";
import type { RequestOrder } from "../admin_client.ts";
import { MAX_INPUT_BYTES, MAX_OUTPUT_BYTES } from "../capability_order.ts";
import { parseCount } from "./count.ts";
import { daemonCommand } from "./daemon_command.ts";
import { parseDuration } from "./duration.ts";
import { readBounded } from "./read_bounded.ts";

/** A command that has a node do something: which one, what, with what, and on which terms. */
export function orderCommand(name: string, description: string, examples: readonly CliExample[]) {
  return daemonCommand(name, description, examples)
    .argument("<node>", "device id or name")
    .argument("<capability>", "for example system.health")
    .option("--input-json <json>", "input as JSON")
    .option("--input-file <file>", "input from a file")
    .option("--input-stdin", "input from standard input")
    .option(
      "--timeout <duration>",
      "how long it may take, waiting for the node included (default 24h; 30s when its end is waited for)",
    )
    .option("--ttl <duration>", "how long it may wait for the node (default: as long as it may take)")
    .option("--priority <level>", "high, normal or low (default normal)")
    .option(
      "--on-disconnect <choice>",
      "when the node is lost at work: requeue (run it again), wait (never again) or fail (end at once)",
    )
    .option("--idempotency-key <key>", "the same key again returns the first request")
    .option("--max-payload-bytes <count>", "largest output to accept (default 65536)");
}

/** The options that {@linkcode orderCommand} adds, as commander hands them over. */
export interface OrderOptions {
  readonly inputJson?: string | undefined;
  readonly inputFile?: string | undefined;
  readonly inputStdin?: true | undefined;
  readonly timeout?: string | undefined;
  readonly ttl?: string | undefined;
  readonly priority?: string | undefined;
  readonly onDisconnect?: string | undefined;
  readonly idempotencyKey?: string | undefined;
  readonly maxPayloadBytes?: string | undefined;
}

/** What was ordered on the command line; throws `invalid_argument`. `timeoutMs`: for who names no time. */
export async function readOrder(
  deviceId: string,
  capability: string,
  options: OrderOptions,
  timeoutMs = 0,
): Promise<RequestOrder> {
  return {
    deviceId,
    capability,
    inputJson: await readInput(options),
    maxPayloadBytes: options.maxPayloadBytes === undefined
      ? 0
      : parseCount(options.maxPayloadBytes, "--max-payload-bytes", MAX_OUTPUT_BYTES),
    timeoutMs: options.timeout === undefined ? timeoutMs : parseDuration(options.timeout, "--timeout"),
    ttlMs: options.ttl === undefined ? 0 : parseDuration(options.ttl, "--ttl"),
    priority: options.priority ?? "",
    onDisconnect: options.onDisconnect ?? "",
    idempotencyKey: options.idempotencyKey ?? "",
  };
}

async function readInput(options: OrderOptions): Promise<Uint8Array> {
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
