import { PalyraError } from "../../identity/palyra_error.ts";

/** The largest JSON text a capability takes, in bytes. */
export const MAX_JSON_BYTES: number = 1024 * 1024;

/** How deep arrays and objects may be nested; far below what exhausts the stack of a recursive validator. */
export const MAX_JSON_DEPTH = 64;

/**
 * Parses JSON from a peer. No bytes at all mean `null`, as in the original. Throws `invalid_input` when the text is
 * too large, too deep, not UTF-8 or not JSON.
 */
export function parseBoundedJson(bytes: Uint8Array): unknown {
  if (bytes.byteLength === 0) return null;
  if (bytes.byteLength > MAX_JSON_BYTES) {
    throw new PalyraError(
      "invalid_input",
      `The input has ${bytes.byteLength} bytes and at most ${MAX_JSON_BYTES} are taken; send less.`,
    );
  }
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new PalyraError("invalid_input", "The input is not valid UTF-8; send JSON encoded in UTF-8.", { cause });
  }
  if (exceedsDepth(text)) {
    throw new PalyraError("invalid_input", `The input is nested deeper than ${MAX_JSON_DEPTH} levels; flatten it.`);
  }
  try {
    return JSON.parse(text);
  } catch {
    // Without the cause: it quotes the input, which may hold a secret.
    throw new PalyraError("invalid_input", "The input is not valid JSON; send one JSON value.");
  }
}

/**
 * Encodes a capability's output; `undefined` becomes `null`. Throws `invalid_output` for what JSON cannot hold (cycles,
 * BigInt, functions) and for output nested too deep.
 */
export function encodeBoundedJson(value: unknown): Uint8Array {
  let text: string | undefined;
  try {
    text = JSON.stringify(value === undefined ? null : value);
  } catch (cause) {
    throw new PalyraError("invalid_output", "The capability's output cannot be written as JSON.", { cause });
  }
  if (text === undefined) throw new PalyraError("invalid_output", "The capability's output cannot be written as JSON.");
  if (exceedsDepth(text)) {
    throw new PalyraError("invalid_output", `The capability's output is nested deeper than ${MAX_JSON_DEPTH} levels.`);
  }
  return new TextEncoder().encode(text);
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

// Before parsing and without recursion: a small text can be nested deeper than any stack.
function exceedsDepth(text: string): boolean {
  let depth = 0;
  let inString = false;
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (inString) {
      if (unit === BACKSLASH) at++;
      else if (unit === QUOTE) inString = false;
    } else if (unit === QUOTE) {
      inString = true;
    } else if (unit === OPEN_BRACKET || unit === OPEN_BRACE) {
      depth++;
      if (depth > MAX_JSON_DEPTH) return true;
    } else if (unit === CLOSE_BRACKET || unit === CLOSE_BRACE) {
      depth--;
    }
  }
  return false;
}
