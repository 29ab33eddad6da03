import { PalyraError } from "../../identity/palyra_error.ts";
import { SecretLine } from "./secret_line.ts";
import { writeBytes } from "./sync_writer.ts";

/** The most characters that {@linkcode readSecret} takes by default. */
export const MAX_SECRET_LENGTH = 64;

/** How a secret is asked for. */
export interface ReadSecretOptions {
  /** The most characters; {@linkcode MAX_SECRET_LENGTH} by default. */
  readonly maxLength?: number;
  /** Ends the asking: it rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/**
 * Asks for a secret such as a PIN: on a terminal without showing what is typed (prompt on standard error), else by taking
 * one line from standard input, so that scripts can pipe it. The terminal is restored in every case, a signal to stop
 * included.
 *
 * @param name what is asked for, as the prompt shows it: `PIN`.
 * @throws {PalyraError} `cancelled` on Ctrl-C, Ctrl-D or a signal to stop; `invalid_argument` when nothing was given or too
 * much.
 */
export async function readSecret(name: string, options: ReadSecretOptions = {}): Promise<string> {
  const maxLength = options.maxLength ?? MAX_SECRET_LENGTH;
  options.signal?.throwIfAborted();
  using interruption = interruptionBy(name, options.signal);
  const text = Deno.stdin.isTerminal()
    ? await readFromTerminal(name, maxLength, interruption.stopped)
    : await readLine(maxLength, interruption.stopped);
  if (text === undefined) {
    throw new PalyraError(
      "invalid_argument",
      `The ${name} is longer than ${maxLength} characters: check what was given.`,
    );
  }
  if (text === "") {
    throw new PalyraError("invalid_argument", `No ${name} was given: type it, or pipe it as a line on standard input.`);
  }
  return text;
}

async function readFromTerminal(
  name: string,
  maxLength: number,
  stopped: Promise<never>,
): Promise<string | undefined> {
  const line = new SecretLine(maxLength);
  const decoder = new TextDecoder();
  const bytes = new Uint8Array(256);
  const raw = { on: true, off: false };
  Deno.stdin.setRaw(raw.on);
  try {
    writeToTerminal(`${name}: `);
    for (;;) {
      // deno-lint-ignore no-await-in-loop -- keys come one after the other
      const count = await Promise.race([Deno.stdin.read(bytes), stopped]);
      const typed = decoder.decode(bytes.subarray(0, count ?? 0), { stream: true });
      const state = line.type(typed);
      if (state === "cancelled" || count === null) throw cancelled(name);
      if (state === "entered") return line.text;
    }
  } finally {
    bytes.fill(0);
    try {
      Deno.stdin.setRaw(raw.off);
    } catch {
      // The terminal has gone; there is nothing to restore.
    }
    writeToTerminal("\n");
  }
}

/** One line, byte by byte: what follows it on the stream belongs to whoever reads next. */
async function readLine(maxLength: number, stopped: Promise<never>): Promise<string | undefined> {
  // A character takes at most four bytes in UTF-8; two more for the line's end.
  const bytes = new Uint8Array(maxLength * 4 + 2);
  let length = 0;
  try {
    while (length < bytes.length) {
      // deno-lint-ignore no-await-in-loop -- each byte decides whether another one is read
      const count = await Promise.race([Deno.stdin.read(bytes.subarray(length, length + 1)), stopped]);
      if (count === null || bytes[length] === 0x0a) break;
      length += count;
    }
    const text = new TextDecoder().decode(bytes.subarray(0, length)).replace(/\r$/, "");
    return [...text].length <= maxLength ? text : undefined;
  } finally {
    bytes.fill(0);
  }
}

interface Interruption extends Disposable {
  /** Never resolves; rejects when the asking is to end. */
  readonly stopped: Promise<never>;
}

const INTERRUPTING: readonly Deno.Signal[] = Deno.build.os === "windows"
  ? ["SIGINT", "SIGBREAK"]
  : ["SIGINT", "SIGTERM", "SIGHUP"];

/** By default these signals would end the process with the terminal left in raw mode. */
function interruptionBy(name: string, signal: AbortSignal | undefined): Interruption {
  const { promise, reject } = Promise.withResolvers<never>();
  // Nobody may be waiting at the moment it rejects.
  promise.catch(() => {});
  const onSignal = () => reject(cancelled(name));
  const onAbort = () => reject(signal?.reason);
  for (const interrupting of INTERRUPTING) Deno.addSignalListener(interrupting, onSignal);
  signal?.addEventListener("abort", onAbort);
  return {
    stopped: promise,
    [Symbol.dispose]: () => {
      for (const interrupting of INTERRUPTING) Deno.removeSignalListener(interrupting, onSignal);
      signal?.removeEventListener("abort", onAbort);
    },
  };
}

function cancelled(name: string): PalyraError {
  return new PalyraError("cancelled", `Asking for the ${name} was cancelled.`);
}

function writeToTerminal(text: string): void {
  try {
    writeBytes(Deno.stderr, new TextEncoder().encode(text));
  } catch {
    // A prompt that nobody sees is no reason not to read the answer.
  }
}
