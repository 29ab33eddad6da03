import { stripVTControlCharacters } from "node:util";
import { PalyraError } from "../../../identity/palyra_error.ts";
import { MAX_OUTPUT_BYTES } from "../capability_runner.ts";
import { printableText } from "../printable_text.ts";
import type { ChildFailure } from "./child_message.ts";
import { withFileName } from "./owner_source.ts";

const MAX_MESSAGE_CHARACTERS = 500;

/** Why a file cannot be loaded, for the owner. */
export function loadFailure({ code, message }: ChildFailure, file: string): PalyraError {
  // Deno draws the place below its messages.
  const line = stripVTControlCharacters(withFileName(message, file)).replaceAll(/\s+/g, " ");
  const said = printableText(line, MAX_MESSAGE_CHARACTERS);
  if (code === "not_capable") {
    return new PalyraError(
      "invalid_config",
      `It needs a permission while it is loaded, and has its permissions only inside run(): ${said}`,
    );
  }
  const cure = /\bimport\b|specifier|\bURL\b|\bJSR\b/i.test(line)
    ? " (a capability is one file that imports nothing but `node:` modules: bundle what it needs into it)"
    : "";
  return new PalyraError("invalid_config", `It cannot be loaded: ${said}${cure}`);
}

/**
 * Why a run failed, for the caller: in the words of the owner's code where it chose them for the caller, else in ours. What
 * the code said is the cause, for the log.
 */
export function runFailure(failure: ChildFailure, name: string, file: string): PalyraError {
  const said = withFileName(failure.stack || failure.message, file);
  switch (failure.code) {
    case "invalid_input":
    case "execution_failed":
      return new PalyraError(failure.code, printableText(failure.message, MAX_MESSAGE_CHARACTERS));
    case "invalid_output":
      return new PalyraError("invalid_output", "The capability's output cannot be written as JSON.", { cause: said });
    case "output_too_large":
      return new PalyraError(
        "output_too_large",
        `The output has more than the ${MAX_OUTPUT_BYTES} bytes that a node sends; ask for less.`,
      );
    case "not_capable":
      return new PalyraError(
        "permission_missing",
        `${name} used a permission that it does not declare; the node's log names it. The node's owner can add it to the ` +
          "file and allow it.",
        { cause: said },
      );
    case "other":
      return new PalyraError("execution_failed", "The capability failed; the node's log has the cause.", {
        cause: said,
      });
  }
}
