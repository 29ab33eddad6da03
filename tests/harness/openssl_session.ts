import { clientPreface } from "../../transport/grpc/testing/http2_frames.ts";
import type { TestIdentity } from "./paired_device.ts";

/** How a resumed connection fared. */
export interface ReplayOutcome {
  /** The server took the saved session. */
  readonly resumed: boolean;
  /** It said something on HTTP/2, so that the client was let in. */
  readonly answered: boolean;
}

/** Connects with OpenSSL, and keeps the TLS session that the server offers; resolves with the file that holds it. */
export async function saveSession(endpoint: string, identity?: TestIdentity): Promise<string> {
  const file = await Deno.makeTempFile({ prefix: "palyra-session-" });
  const { output, http2 } = await connect(endpoint, identity, ["-sess_out", file]);
  if (!http2) throw new Error(`the server did not let the client in:\n${output}`);
  if ((await Deno.stat(file)).size === 0) throw new Error(`the server offered no session:\n${output}`);
  return file;
}

/** Connects with OpenSSL and a saved session. */
export async function replaySession(endpoint: string, file: string, identity?: TestIdentity): Promise<ReplayOutcome> {
  const { output, http2 } = await connect(endpoint, identity, ["-sess_in", file]);
  return { resumed: output.includes("Reused, TLSv1.3"), answered: http2 };
}

/** Long enough for the server's first words, in milliseconds; one that says nothing within is not going to. */
const LISTEN_MS = 1_500;

async function connect(
  endpoint: string,
  identity: TestIdentity | undefined,
  options: readonly string[],
): Promise<{ readonly output: string; readonly http2: boolean }> {
  const folder = await Deno.makeTempDir({ prefix: "palyra-openssl-" });
  try {
    const own: string[] = [];
    if (identity !== undefined) {
      await Deno.writeTextFile(`${folder}/cert.pem`, identity.certificatePem);
      await Deno.writeTextFile(`${folder}/key.pem`, identity.keyPem, { mode: 0o600 });
      own.push("-cert", `${folder}/cert.pem`, "-key", `${folder}/key.pem`);
    }
    const child = new Deno.Command("openssl", {
      args: ["s_client", "-connect", endpoint, "-servername", "palyrad", "-alpn", "h2", ...own, ...options],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const writer = child.stdin.getWriter();
    // The server may have hung up already.
    await writer.write(clientPreface()).catch(() => {});
    const timer = setTimeout(() => void writer.close().catch(() => {}), LISTEN_MS);
    const { stdout, stderr } = await child.output();
    clearTimeout(timer);
    writer.releaseLock();
    const output = new TextDecoder("latin1").decode(stdout) + new TextDecoder().decode(stderr);
    return { output, http2: hasSettings(stdout) };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Whether a SETTINGS frame (RFC 9113, section 6.5) of stream 0 is in it: type 4, flags 0 or 1, five bytes of stream id. */
function hasSettings(bytes: Uint8Array): boolean {
  for (let at = 0; at + 9 <= bytes.length; at++) {
    const [zero, , length = 255, type, flags = 255, ...stream] = bytes.subarray(at, at + 9);
    if (zero === 0 && length % 6 === 0 && type === 4 && flags <= 1 && stream.every((byte) => byte === 0)) return true;
  }
  return false;
}
