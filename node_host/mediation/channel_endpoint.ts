import * as v from "valibot";
import { PalyraError } from "../../identity/palyra_error.ts";
import { secureRandomBytes } from "../../identity/random_bytes.ts";
import { readStateDocument, removeStateDocument, writeStateDocument } from "../state_document.ts";
import { SchemaVersion } from "../state_fields.ts";
import type { ChannelAddress } from "./channel_address.ts";

const LOOPBACK = "127.0.0.1";
const SECRET_BYTES = 32;

const EndpointSchema = v.object({
  schema_version: SchemaVersion,
  port: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(65_535)),
  secret: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
});

/** A connection to the host, and what to show there. */
export interface ChannelConnection {
  readonly conn: Deno.Conn;
  /** Undefined where the socket's own rights say who may open it. */
  readonly secret: string | undefined;
}

/** What the host listens on. */
export interface ChannelListener extends AsyncDisposable {
  readonly listener: Deno.Listener;
  /** What a command has to show; undefined where nothing is needed. */
  readonly secret: string | undefined;
}

/**
 * Listens in a private state folder that this process holds alone: what an earlier one left there is removed. Rejects with
 * what Deno throws.
 */
export async function listenForCommands(address: ChannelAddress): Promise<ChannelListener> {
  if (address.kind === "socket") {
    const { path } = address;
    await removeStateDocument(path);
    const listener = Deno.listen({ transport: "unix", path });
    // Until here the folder alone keeps others out.
    await Deno.chmod(path, 0o600);
    return listenerOf(listener, undefined, path);
  }
  const listener = Deno.listen({ hostname: LOOPBACK, port: 0 });
  const secret = secureRandomBytes(SECRET_BYTES).toHex();
  await writeStateDocument(address.file, { port: listener.addr.port, secret });
  return listenerOf(listener, secret, address.file);
}

/** Connects to the host; rejects with `host_not_running` or `permission_missing`. */
export async function connectToHost(address: ChannelAddress): Promise<ChannelConnection> {
  try {
    if (address.kind === "socket") {
      return { conn: await Deno.connect({ transport: "unix", path: address.path }), secret: undefined };
    }
    const endpoint = await readStateDocument(address.file, EndpointSchema);
    if (endpoint === undefined) throw notRunning();
    return { conn: await Deno.connect({ hostname: LOOPBACK, port: endpoint.port }), secret: endpoint.secret };
  } catch (cause) {
    if (cause instanceof PalyraError) throw cause;
    if (cause instanceof Deno.errors.NotCapable) throw channelNotPermitted(address, cause);
    throw notRunning(cause);
  }
}

/** Deno was not given what the channel needs. */
export function channelNotPermitted(address: ChannelAddress, cause: unknown): PalyraError {
  const flag = address.kind === "socket" ? `--allow-net=unix:${address.path}` : `--allow-net=${LOOPBACK}`;
  return new PalyraError(
    "permission_missing",
    `The running palyra-node and its commands may not talk to each other; start both with ${flag} and with access to ` +
      "the state folder.",
    { cause },
  );
}

function notRunning(cause?: unknown): PalyraError {
  return new PalyraError(
    "host_not_running",
    "palyra-node does not run on this state folder, so nothing waits; start it with `palyra-node run`, or name its " +
      "folder with --state-root.",
    { cause },
  );
}

function listenerOf(listener: Deno.Listener, secret: string | undefined, path: string): ChannelListener {
  return {
    listener,
    secret,
    async [Symbol.asyncDispose]() {
      listener.close();
      await removeStateDocument(path);
    },
  };
}
