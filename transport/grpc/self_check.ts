import * as tls from "node:tls";
import { PalyraError } from "../../identity/palyra_error.ts";
import { HANDSHAKE_TIMEOUT_MS } from "../transport_limits.ts";

const ON_TESTED_DENO = "Run it on Deno 2.9.6: `npx -y deno@2.9.6 …`.";

/** What an HTTP/2 client says first (RFC 9113, section 3.4): the preface and an empty SETTINGS frame. */
const CLIENT_PREFACE = Uint8Array.of(
  ...new TextEncoder().encode("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
  ...[0, 0, 0, 4, 0, 0, 0, 0, 0],
);

/** How {@linkcode checkClientsAreVerified} checks. */
export interface SelfCheckOptions {
  /**
   * Settles when the listener has refused a client because it showed no certificate. With it the check fails for a
   * listener that lets nobody in without having asked: such a one would not know its own nodes either.
   */
  readonly missed?: Promise<unknown>;
  /** For everything together, in milliseconds. @default {HANDSHAKE_TIMEOUT_MS} */
  readonly timeoutMs?: number;
}

/**
 * Proves that a listener which must ask for client certificates does: connects to it without one and expects to be
 * cut off, for that reason.
 *
 * With TLS 1.3 a client is done before the server has judged it, so a finished handshake proves nothing. What counts
 * is whether the server answers: one byte of HTTP/2 and the check fails. Rejects with `self_check_failed`, also when TLS
 * does not come up at all and when the listener neither answers nor closes in time.
 *
 * @param hostname Where the listener listens; it is also connected to there, so that no other permission is needed.
 */
export async function checkClientsAreVerified(
  hostname: string,
  port: number,
  { missed = Promise.resolve(), timeoutMs = HANDSHAKE_TIMEOUT_MS }: SelfCheckOptions = {},
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const socket = tls.connect({
    host: reachable(hostname),
    port,
    // The listener is this process; what is being checked is whom it lets in.
    rejectUnauthorized: false,
    ALPNProtocols: ["h2"],
    minVersion: "TLSv1.3",
  });
  let secured = false;
  let cutOff = false;
  let failure: unknown;
  const fail = (message: string) => reject(new PalyraError("self_check_failed", message, { cause: failure }));
  const timer = setTimeout(() => {
    fail(
      cutOff
        ? `The mutual TLS port asked its self-check for no certificate, so it does not start. ${ON_TESTED_DENO}`
        : "The mutual TLS port did not refuse its self-check in time.",
    );
  }, timeoutMs);
  socket.on("secureConnect", () => {
    secured = true;
    socket.write(CLIENT_PREFACE);
  });
  socket.on("data", () => {
    fail(`The mutual TLS port answered a client that showed no certificate, so it does not start. ${ON_TESTED_DENO}`);
  });
  socket.on("error", (error) => failure = error);
  socket.on("close", () => {
    cutOff = true;
    if (secured) missed.then(() => resolve());
    else fail("The mutual TLS port could not be reached over TLS for its self-check. Check the listen address.");
  });
  try {
    await promise;
  } finally {
    clearTimeout(timer);
    socket.destroy();
  }
}

/** Elsewhere than on Windows, connecting to the "any" address reaches this machine. */
function reachable(hostname: string): string {
  if (Deno.build.os !== "windows") return hostname;
  if (hostname === "0.0.0.0") return "127.0.0.1";
  return hostname === "::" ? "::1" : hostname;
}
