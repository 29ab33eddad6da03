import * as tls from "node:tls";
import { clientPreface } from "./http2_frames.ts";
import type { TestIdentity } from "../../testing/test_pki.ts";

/** How a TLS client fares that says the HTTP/2 preface and waits. */
export interface RawOutcome {
  /** The server said something on HTTP/2: it let the client in. */
  readonly answered: boolean;
  /** What node:tls reported, if anything. */
  readonly error: string | undefined;
}

/** Connects with `identity`, or with no certificate, and waits for an answer or for the end. */
export async function connectRaw(
  port: number,
  identity?: TestIdentity,
  options: tls.ConnectionOptions = {},
): Promise<RawOutcome> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = tls.connect({
    host: "127.0.0.1",
    port,
    rejectUnauthorized: false,
    ALPNProtocols: ["h2"],
    ...(identity === undefined ? {} : { cert: identity.certificatePem, key: identity.keyPem }),
    ...options,
  });
  let error: string | undefined;
  socket.on("error", (cause) => error = cause.message);
  socket.on("secureConnect", () => socket.write(clientPreface()));
  socket.on("data", () => resolve(true));
  socket.on("close", () => resolve(false));
  const answered = await promise;
  socket.destroy();
  return { answered, error };
}

/**
 * Runs Node (an OpenSSL client, unlike Deno's) to save a TLS session at `openPort` and to resume it at `strictPort`
 * without a certificate. Says whether the server resumed it and whether it answered.
 */
export async function replayTicket(
  openPort: number,
  strictPort: number,
): Promise<{ reused: boolean; answered: boolean }> {
  const script = `
    const tls = require("node:tls");
    const preface = Buffer.from(process.argv[1], "base64");
    const base = { host: "127.0.0.1", rejectUnauthorized: false, ALPNProtocols: ["h2"] };
    const open = tls.connect({ ...base, port: Number(process.argv[2]) }, () => open.write(preface));
    open.on("error", () => {});
    open.resume();
    open.once("session", (session) => {
      open.destroy();
      const outcome = { reused: false, answered: false };
      const strict = tls.connect({ ...base, port: Number(process.argv[3]), session }, () => {
        outcome.reused = strict.isSessionReused();
        strict.write(preface);
      });
      strict.on("error", () => {});
      strict.on("data", () => { outcome.answered = true; strict.destroy(); });
      strict.on("close", () => console.log(JSON.stringify(outcome)));
    });`;
  const { stdout, stderr } = await new Deno.Command("node", {
    args: ["-e", script, clientPreface().toBase64(), String(openPort), String(strictPort)],
  }).output();
  const text = new TextDecoder().decode(stdout);
  if (text === "") throw new Error(new TextDecoder().decode(stderr));
  return JSON.parse(text);
}
