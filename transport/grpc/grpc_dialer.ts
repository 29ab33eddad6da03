import { X509Certificate } from "node:crypto";
import { Client, Metadata, type StatusObject } from "@grpc/grpc-js";
import type { Endpoint } from "../../identity/endpoint.ts";
import { PalyraError } from "../../identity/palyra_error.ts";
import { type Clock, systemClock } from "../../identity/unix_ms.ts";
import { NodeServiceService } from "../../proto/gen/node.ts";
import type { NodeSession, SessionDialer } from "../session.ts";
import { HANDSHAKE_TIMEOUT_MS } from "../transport_limits.ts";
import { type CallConnection, peerOf, remoteAddressOf } from "./call_peer.ts";
import type { ClientTlsMaterial } from "../client_tls_material.ts";
import { channelOptions, channelTarget, mutualCredentials } from "./grpc_channel.ts";
import { type DaemonStream, GrpcNodeSession } from "./grpc_node_session.ts";
import { fromServiceError } from "./grpc_status.ts";
import { callCancelled } from "./unary_call.ts";

/** Where a {@linkcode GrpcDialer} connects to, and as whom. */
export interface GrpcDialerOptions {
  /** The daemon's node RPC port. */
  readonly endpoint: Endpoint;
  /** Asked at each dial, so that a renewed certificate is used from the next one on. */
  readonly material: () => ClientTlsMaterial;
  /** How long connecting and being let in may take. Defaults to {@linkcode HANDSHAKE_TIMEOUT_MS}. */
  readonly timeoutMs?: number;
  /** Tells an expired certificate from a refused one. */
  readonly clock?: Clock;
}

/** Opens sessions over gRPC with mutual TLS; each has a connection of its own. */
export class GrpcDialer implements SessionDialer {
  readonly transport = "grpc";
  readonly #options: GrpcDialerOptions;

  constructor(options: GrpcDialerOptions) {
    this.#options = options;
  }

  /**
   * Resolves when the daemon has accepted the session's call, so it has judged the certificate.
   *
   * Rejects with what the daemon said (`device_revoked`, `device_unknown`, …), with `daemon_unreachable`,
   * `daemon_untrusted`, `certificate_untrusted`, `certificate_expired`, `certificate_not_yet_valid`,
   * `deadline_exceeded` or `cancelled`.
   */
  async dial(signal: AbortSignal): Promise<NodeSession> {
    if (signal.aborted) throw callCancelled(signal);
    const material = this.#options.material();
    const channel = new Client(
      channelTarget(this.#options.endpoint),
      mutualCredentials(material),
      channelOptions(),
    );
    const { path, responseDeserialize } = NodeServiceService.streamNodeEvents;
    const call: DaemonStream = channel.makeBidiStreamRequest(path, withoutCopy, responseDeserialize, new Metadata());
    try {
      return await this.#accepted(call, channel, signal);
    } catch (error) {
      call.cancel();
      channel.close();
      throw ownCertificateFault(PalyraError.from(error), material, this.#options.clock ?? systemClock);
    }
  }

  async #accepted(call: DaemonStream, channel: Client, signal: AbortSignal): Promise<NodeSession> {
    const { promise, resolve, reject } = Promise.withResolvers<NodeSession>();
    const timeoutMs = this.#options.timeoutMs ?? HANDSHAKE_TIMEOUT_MS;
    const timer = setTimeout(() => {
      reject(
        new PalyraError(
          "deadline_exceeded",
          `The daemon did not let this machine in within ${timeoutMs / 1000} s. Check the network and its load.`,
        ),
      );
    }, timeoutMs);
    const onAbort = () => reject(callCancelled(signal));
    // What the status says is all there is to know of an error.
    call.on("error", () => {});
    call.once("status", (outcome: StatusObject) => reject(fromServiceError(outcome)));
    // The session is made in this very event: the call's end may already be on its heels.
    call.once("metadata", () => {
      const session = sessionOver(call, channel);
      if (session instanceof PalyraError) reject(session);
      else resolve(session);
    });
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
    }
  }
}

function sessionOver(call: DaemonStream, channel: Client): NodeSession | PalyraError {
  const connection: CallConnection = {
    getPeer: () => call.getPeer(),
    getAuthContext: () => call.getAuthContext() ?? {},
  };
  const daemon = peerOf(connection);
  if (daemon === undefined) {
    return new PalyraError("connection_lost", "The connection was lost while it was being set up. Try again.");
  }
  return new GrpcNodeSession(call, channel, daemon, remoteAddressOf(connection));
}

/** grpc-js wants a Buffer; this is one on the same bytes. */
function withoutCopy(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** A daemon that refuses a certificate does not say why; this machine knows whether its own is out of date. */
function ownCertificateFault(error: PalyraError, { certificatePem }: ClientTlsMaterial, clock: Clock): PalyraError {
  if (error.code !== "certificate_untrusted") return error;
  const { validFromDate, validToDate } = new X509Certificate(certificatePem);
  const now = clock();
  if (now > validToDate.getTime()) {
    return new PalyraError(
      "certificate_expired",
      `This machine's certificate expired at ${validToDate.toISOString()}, while it was off or could not reach its ` +
        "daemon. Pair it again: `palyra-node pair --force`.",
      { cause: error },
    );
  }
  if (now < validFromDate.getTime()) {
    return new PalyraError(
      "certificate_not_yet_valid",
      `This machine's certificate is valid from ${validFromDate.toISOString()} on. Check this machine's clock.`,
      { cause: error },
    );
  }
  return error;
}
