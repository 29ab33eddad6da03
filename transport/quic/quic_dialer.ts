import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import type { Endpoint } from "../../identity/endpoint.ts";
import { PalyraError } from "../../identity/palyra_error.ts";
import { isReasonCode } from "../../identity/reason_code.ts";
import type { ClientTlsMaterial } from "../client_tls_material.ts";
import type { NodeSession, SessionDialer } from "../session.ts";
import { HANDSHAKE_TIMEOUT_MS } from "../transport_limits.ts";
import { encodeFrame } from "./frame_writer.ts";
import type { FrameStream } from "./frame_stream.ts";
import { APPLICATION_CODE } from "./quic_code.ts";
import { QuicClient } from "./quic_client.ts";
import { QuicNodeSession } from "./quic_node_session.ts";
import type { Host } from "./quiche_addon.ts";
import { encodeRequest } from "./request_envelope.ts";
import { parseResponse, type ResponseEnvelope } from "./response_envelope.ts";

/** Where a {@linkcode QuicDialer} connects to, and as whom. */
export interface QuicDialerOptions {
  /** The daemon's node RPC endpoint: QUIC is on the UDP port of the same number. */
  readonly endpoint: Endpoint;
  /** Asked at each dial, so that a renewed certificate is used from the next one on. */
  readonly material: () => ClientTlsMaterial;
  /** How long connecting and being let in may take, in milliseconds. Defaults to {@linkcode HANDSHAKE_TIMEOUT_MS}. */
  readonly timeoutMs?: number;
}

/** How much later the next address of a name is tried beside the first, in milliseconds (as RFC 8305 has it). */
const NEXT_ADDRESS_MS = 250;

/** Addresses of one name that are tried. */
const MAX_ADDRESSES = 4;

/** Opens sessions over QUIC; each has a connection and a socket of its own. */
export class QuicDialer implements SessionDialer {
  readonly transport = "quic";
  readonly #options: QuicDialerOptions;

  constructor(options: QuicDialerOptions) {
    this.#options = options;
  }

  /**
   * Resolves when the daemon has judged the certificate and opened the session on its side.
   *
   * Rejects with what the daemon said (`device_revoked`, `device_unknown`, `connection_limit`, …), with
   * `daemon_unreachable`, `daemon_untrusted`, `certificate_missing`, `certificate_untrusted`, `certificate_expired`,
   * `deadline_exceeded`, `unsupported` or `cancelled`.
   */
  async dial(signal: AbortSignal): Promise<NodeSession> {
    const timeoutMs = this.#options.timeoutMs ?? HANDSHAKE_TIMEOUT_MS;
    const timeout = new AbortController();
    const timer = setTimeout(() => timeout.abort(), timeoutMs);
    try {
      return await this.#dial(AbortSignal.any([signal, timeout.signal]));
    } catch (error) {
      if (!timeout.signal.aborted) throw error;
      throw new PalyraError(
        "deadline_exceeded",
        `The daemon did not answer over QUIC within ${
          timeoutMs / 1000
        } s. Check that it runs and that the network lets ` +
          "UDP through.",
        { cause: error },
      );
    } finally {
      clearTimeout(timer);
    }
  }

  async #dial(signal: AbortSignal): Promise<NodeSession> {
    const { endpoint, material } = this.#options;
    const addresses = await unlessAborted(addressesOf(endpoint), signal);
    const client = await firstOf(addresses, (address, stop) => {
      return QuicClient.connect({ address, material: material() }, stop);
    }, signal);
    try {
      return await openSession(client, signal);
    } catch (error) {
      await client.close();
      throw error;
    }
  }
}

async function addressesOf({ host, port }: Endpoint): Promise<Host[]> {
  if (isIP(host) !== 0) return [{ host, port }];
  try {
    const found = await lookup(host, { all: true });
    if (found.length === 0) throw new Error("the name has no address");
    return found.slice(0, MAX_ADDRESSES).map(({ address }) => ({ host: address, port }));
  } catch (cause) {
    throw new PalyraError(
      "daemon_unreachable",
      "The daemon's host name does not resolve to an address. Check the name and this machine's DNS.",
      { cause },
    );
  }
}

/** `work`, or `cancelled` at once when the signal fires, for work that knows no signals. */
async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const giveUp = () => reject(new PalyraError("cancelled", "Connecting was given up.", { cause: signal.reason }));
  signal.addEventListener("abort", giveUp, { once: true });
  if (signal.aborted) giveUp();
  // Nobody looks at it any more when the other one has been quicker.
  work.catch(() => {});
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener("abort", giveUp);
  }
}

/** Tries each address a little later than the one before; the first that answers wins, and the others are given up. */
async function firstOf(
  addresses: readonly Host[],
  connect: (address: Host, signal: AbortSignal) => Promise<QuicClient>,
  signal: AbortSignal,
): Promise<QuicClient> {
  const losers = new AbortController();
  const stop = AbortSignal.any([signal, losers.signal]);
  const tries = addresses.map(async (address, position) => {
    if (position > 0) await delay(position * NEXT_ADDRESS_MS, undefined, { signal: stop });
    return await connect(address, stop);
  });
  try {
    const winner = await Promise.any(tries);
    losers.abort();
    for (const late of await Promise.allSettled(tries)) {
      // deno-lint-ignore no-await-in-loop -- at most a few
      if (late.status === "fulfilled" && late.value !== winner) await late.value.close();
    }
    return winner;
  } catch (error) {
    // What the first address said is what there is to say: it is the one that is meant.
    throw error instanceof AggregateError ? error.errors[0] : error;
  }
}

async function openSession(client: QuicClient, signal: AbortSignal): Promise<NodeSession> {
  const frames = client.openFrames();
  frames.write(encodeFrame(encodeRequest("node.open_session")));
  const answer = await firstAnswer(client, frames, signal);
  if (answer.kind === "session") {
    return new QuicNodeSession(client.connection, frames, client.peer, client.maxFrameBytes);
  }
  frames.reset(APPLICATION_CODE.protocolError);
  if (answer.kind === "error" && isReasonCode(answer.error)) throw new PalyraError(answer.error, answer.message);
  throw new PalyraError("protocol_mismatch", "The daemon cannot open sessions over QUIC. Update it, or use gRPC.");
}

/** The answer to what was asked on `frames`, which nothing is read from after it. */
function firstAnswer(client: QuicClient, frames: FrameStream, signal: AbortSignal): Promise<ResponseEnvelope> {
  const { promise, resolve, reject } = Promise.withResolvers<ResponseEnvelope>();
  frames.read({
    onFrame: (payload) => {
      frames.pause();
      try {
        resolve(parseResponse(payload));
      } catch (error) {
        reject(error);
      }
    },
    onEnd: (end) => {
      // The answer may still be on its way when the daemon wants nothing more itself.
      if (end.kind === "stopped") return;
      if (end.kind === "broken") reject(end.error);
      else reject(client.failure ?? new PalyraError("connection_lost", "The daemon ended the stream. Try again."));
    },
  });
  return unlessAborted(promise, signal);
}
