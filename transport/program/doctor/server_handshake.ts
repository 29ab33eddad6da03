import { isIP } from "node:net";
import * as tls from "node:tls";
import type { Endpoint } from "../../../identity/endpoint.ts";
import { PalyraError } from "../../../identity/palyra_error.ts";
import { type ClientTlsMaterial, DAEMON_SERVER_NAME } from "../../client_tls_material.ts";
import { connectFailure } from "../../grpc/connect_failure.ts";
import { NETWORK_LIMIT_MS, TimeLimit } from "./time_limit.ts";

/** How long a daemon may take to judge what it was shown, in milliseconds; it is left alone in the middle of that else. */
const JUDGEMENT_MS = 1_000;

/** Whom to believe, and what to show once it is believed; without a certificate a daemon counts one refusal more. */
export type HandshakeMaterial = Pick<ClientTlsMaterial, "caPem"> & Partial<ClientTlsMaterial>;

/** The certificate of a server that was believed. */
export interface BelievedServer {
  readonly leafDer: Uint8Array;
  /** Whether the certificate is good for this DNS name or address, too. */
  readonly isNamed: (name: string) => boolean;
}

/**
 * A TLS handshake with a daemon, after which this side hangs up: no call is made. The server's certificate must be from one
 * of the CAs and for a daemon, or nothing is shown to it. Whether the server accepts what it was shown is not told; but it
 * is given the time to, or it would take the hanging up for a failed handshake. The whole takes
 * {@linkcode NETWORK_LIMIT_MS} at most.
 */
export class ServerHandshake {
  /** Resolves when TCP is up. Rejects with `daemon_unreachable` or `permission_missing`. */
  readonly connected: Promise<void>;
  /** Resolves with the server. Rejects with `daemon_untrusted`, `deadline_exceeded`, or what {@linkcode connected} does. */
  readonly believed: Promise<BelievedServer>;
  readonly #host: string;
  readonly #socket: tls.TLSSocket;
  readonly #tcp: PromiseWithResolvers<void> = Promise.withResolvers();
  readonly #tls: PromiseWithResolvers<BelievedServer> = Promise.withResolvers();
  readonly #judged: PromiseWithResolvers<void> = Promise.withResolvers();

  /** Begins at once. */
  constructor({ host, port }: Endpoint, { caPem, certificatePem, keyPem }: HandshakeMaterial, signal: AbortSignal) {
    this.#host = host;
    this.#socket = tls.connect({
      host,
      port,
      servername: DAEMON_SERVER_NAME,
      ca: [...caPem],
      ...(certificatePem !== undefined && { cert: certificatePem }),
      ...(keyPem !== undefined && { key: keyPem }),
      ALPNProtocols: ["h2"],
      minVersion: "TLSv1.3",
    });
    this.#socket.on("connect", () => this.#tcp.resolve());
    this.#socket.on("secureConnect", () => this.#onSecure());
    // A server that lets its client in says so in HTTP/2 at once; one that does not closes.
    this.#socket.on("data", () => this.#judged.resolve());
    this.#socket.on("error", (error) => this.#fail(handshakeFailure(this.#host, error)));
    this.#socket.on("close", () => this.#fail(connectFailure("before secure TLS connection", undefined)));
    this.connected = this.#tcp.promise;
    this.believed = this.#run(signal);
    for (const promise of [this.connected, this.believed, this.#tls.promise]) promise.catch(() => {});
  }

  async #run(signal: AbortSignal): Promise<BelievedServer> {
    using limit = new TimeLimit(NETWORK_LIMIT_MS, signal);
    const giveUp = () => this.#onLate();
    limit.signal.addEventListener("abort", giveUp, { once: true });
    if (limit.signal.aborted) giveUp();
    let timer: ReturnType<typeof setTimeout> | undefined;
    try {
      const server = await this.#tls.promise;
      timer = setTimeout(this.#judged.resolve, JUDGEMENT_MS);
      await this.#judged.promise;
      return server;
    } finally {
      clearTimeout(timer);
      limit.signal.removeEventListener("abort", giveUp);
      this.#socket.destroy();
    }
  }

  #onSecure(): void {
    const certificate = this.#socket.getPeerCertificate();
    this.#tls.resolve({
      leafDer: new Uint8Array(certificate.raw),
      isNamed: (name) => tls.checkServerIdentity(name, certificate) === undefined,
    });
  }

  #onLate(): void {
    // Whichever of the two is open still.
    this.#tcp.reject(connectFailure("ETIMEDOUT", undefined));
    this.#tls.reject(
      new PalyraError(
        "deadline_exceeded",
        "What answers there did not come to the end of a TLS handshake. Check that it is a daemon, and the network " +
          "between.",
      ),
    );
    this.#judged.resolve();
  }

  #fail(error: PalyraError): void {
    this.#tcp.reject(error);
    this.#tls.reject(error);
    this.#judged.resolve();
  }
}

function handshakeFailure(host: string, error: Error & { code?: string }): PalyraError {
  const text = `${error.code ?? ""} ${error.message}`;
  return connectFailure(isIP(host) === 0 && /ENOTFOUND|lookup/.test(text) ? "ENOTFOUND" : text, error);
}
