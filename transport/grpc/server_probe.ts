import { isIP } from "node:net";
import * as tls from "node:tls";
import type { ChannelCredentials } from "@grpc/grpc-js";
import type { Endpoint } from "../../identity/endpoint.ts";
import { fingerprintOf } from "../../identity/fingerprint.ts";
import { PalyraError } from "../../identity/palyra_error.ts";
import { derToPem } from "../../identity/pem.ts";
import { HANDSHAKE_TIMEOUT_MS } from "../transport_limits.ts";
import { connectFailure } from "./connect_failure.ts";
import { DAEMON_SERVER_NAME } from "../client_tls_material.ts";
import { credentialsFrom } from "./grpc_channel.ts";
import { callCancelled } from "./unary_call.ts";

/** The certificates that a server showed. Nothing about them is verified. */
export interface ServerChain {
  readonly leafDer: Uint8Array;
  /** The certificate that the leaf says it was issued by. */
  readonly caDer: Uint8Array;
}

/** How long a probe may take and what ends it early. */
export interface ProbeOptions {
  /** Defaults to {@linkcode HANDSHAKE_TIMEOUT_MS}. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/**
 * Looks at the certificates of the server at `endpoint`, believes nothing and says nothing. What a device does that
 * pairs and knows no CA yet: it judges the chain (or lets the PAKE do it) and then talks over
 * {@linkcode probedServerCredentials} only.
 *
 * Rejects with `daemon_unreachable` (nothing there, no answer in time, no TLS, no such name), with `daemon_untrusted`
 * when the server shows no issuer, or with `cancelled`.
 */
export async function probeServerChain(
  { host, port }: Endpoint,
  { timeoutMs = HANDSHAKE_TIMEOUT_MS, signal }: ProbeOptions = {},
): Promise<ServerChain> {
  if (signal?.aborted) throw callCancelled(signal);
  const { promise, resolve, reject } = Promise.withResolvers<ServerChain>();
  const socket = tls.connect({
    host,
    port,
    servername: DAEMON_SERVER_NAME,
    // There is nothing to verify against yet; the caller does that with what it pinned or typed.
    rejectUnauthorized: false,
    ALPNProtocols: ["h2"],
    minVersion: "TLSv1.3",
  });
  const timer = setTimeout(() => reject(connectFailure("ETIMEDOUT", undefined)), timeoutMs);
  const cancel = () => reject(new PalyraError("cancelled", "The call was cancelled."));
  signal?.addEventListener("abort", cancel, { once: true });
  socket.on("secureConnect", () => {
    try {
      resolve(chainOf(socket));
    } catch (error) {
      reject(error);
    }
  });
  socket.on("error", (error) => reject(probeFailure(host, error)));
  socket.on("close", () => reject(connectFailure("before secure TLS connection", undefined)));
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", cancel);
    socket.destroy();
  }
}

/**
 * Credentials that accept exactly the server that was probed: its CA is the only root, and the leaf must be the very
 * certificate of the probe. So what a pairing's transcript covers is what the channel talks to.
 */
export function probedServerCredentials({ leafDer, caDer }: ServerChain): ChannelCredentials {
  const expected = fingerprintOf(leafDer);
  return credentialsFrom({ ca: derToPem(caDer, "CERTIFICATE") }, (hostname, certificate) => {
    if (fingerprintOf(certificate.raw) !== expected) {
      return new Error("CERT_CHANGED: the server shows another certificate than it did at first");
    }
    return tls.checkServerIdentity(hostname, certificate);
  });
}

function chainOf(socket: tls.TLSSocket): ServerChain {
  const leaf = socket.getPeerCertificate(true);
  const leafDer: Uint8Array | undefined = leaf.raw;
  const caDer: Uint8Array | undefined = leaf.issuerCertificate?.raw;
  if (leafDer === undefined || caDer === undefined || fingerprintOf(leafDer) === fingerprintOf(caDer)) {
    throw new PalyraError(
      "daemon_untrusted",
      "The server at this address does not show which CA issued its certificate, so it is not a palyrad. " +
        "Check the host and the port of the enrolment listener (by default 7445).",
    );
  }
  return { leafDer: new Uint8Array(leafDer), caDer: new Uint8Array(caDer) };
}

function probeFailure(host: string, error: Error & { code?: string }): PalyraError {
  const text = `${error.code ?? ""} ${error.message}`;
  return connectFailure(isIP(host) === 0 && /ENOTFOUND|lookup/.test(text) ? "ENOTFOUND" : text, error);
}
