import { PalyraError } from "../identity/palyra_error.ts";
import type { CapabilityResult, Progress } from "../proto/gen/node.ts";
import { printableText } from "../transport/program/printable_text.ts";
import type { AttemptProgress, AttemptResult } from "./capability_dispatch_record.ts";

/** Longest sentence a node may give as the reason of a failure, in characters. */
const MAX_ERROR_CHARACTERS = 1_024;

/** Largest payload of one progress report, in bytes. */
const MAX_PROGRESS_BYTES: number = 64 * 1024;

const ERROR_CODE = /^[a-z][a-z0-9_]{0,63}$/;
const utf8 = new TextDecoder("utf-8", { fatal: true });

function isJson(bytes: Uint8Array): boolean {
  try {
    JSON.parse(utf8.decode(bytes));
    return true;
  } catch {
    return false;
  }
}

/**
 * What a node reports at the end of an attempt, made safe for whoever reads it: an output that is no JSON in UTF-8 is a
 * failure (`invalid_output`), and a reason is short and printable.
 */
export function checkResult(result: CapabilityResult): AttemptResult {
  if (result.success) {
    if (isJson(result.outputJson)) {
      return { success: true, outputJson: result.outputJson, errorCode: "", error: "" };
    }
    const error = "The node's output is not JSON in UTF-8. Update palyra-node, or mend the capability.";
    return { success: false, outputJson: new Uint8Array(), errorCode: "invalid_output", error };
  }
  return {
    success: false,
    outputJson: new Uint8Array(),
    errorCode: ERROR_CODE.test(result.errorCode) ? result.errorCode : "execution_failed",
    error: printableText(result.error.slice(0, MAX_ERROR_CHARACTERS)),
  };
}

/** What a node reports on the way; throws `invalid_argument` when it is too large or no JSON. */
export function checkProgress({ sequence, payloadJson }: Progress): AttemptProgress {
  if (payloadJson.length > MAX_PROGRESS_BYTES || !isJson(payloadJson)) {
    throw new PalyraError(
      "invalid_argument",
      `A node's progress must be JSON of at most ${MAX_PROGRESS_BYTES} bytes. Update palyra-node.`,
    );
  }
  return { sequence, payloadJson };
}
