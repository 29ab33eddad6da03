import { PalyraError } from "../../identity/palyra_error.ts";
import { stateError } from "../../identity/state_error.ts";
import { sqliteFailureOf } from "../../transport/program/sqlite_failure.ts";

/**
 * Why nothing is started that must not run twice, in words for whoever asked for it: `state_read_only` while the journal
 * cannot be written, `state_damaged` when it is broken.
 */
export function journalWriteFailure(cause: unknown): PalyraError {
  switch (sqliteFailureOf(cause)) {
    case "full":
      return new PalyraError(
        "state_read_only",
        "The node's disk is full, so it cannot note that this starts; nothing was run. Free some space there and ask again.",
        { cause },
      );
    case "damaged":
      return new PalyraError(
        "state_damaged",
        "The node's journal is damaged, so it cannot note that this starts; nothing was run. Restart palyra-node: it sets " +
          "the damaged journal aside and begins a new one.",
        { cause },
      );
    default:
      return new PalyraError(
        "state_read_only",
        "The node cannot write its journal, so it cannot note that this starts; nothing was run. The node's log has the cause.",
        { cause },
      );
  }
}

/** Why the journal at `path` cannot be opened, for the owner of the machine. */
export function journalOpenFailure(path: string, thrown: unknown): unknown {
  const cause = stateError(thrown, path);
  switch (sqliteFailureOf(cause)) {
    case "full":
      return new PalyraError("state_read_only", `No room is left for the journal ${path}; free some space.`, { cause });
    case "read_only":
      return new PalyraError(
        "state_read_only",
        `The journal ${path} cannot be written; make it and its folder belong to the user that runs palyra-node, on a ` +
          "file system that can be written to.",
        { cause },
      );
    case "locked":
      return new PalyraError("state_in_use", `Another program holds the journal ${path}; stop it and try again.`, {
        cause,
      });
    default:
      return cause;
  }
}

/** Whether a journal that failed so is beyond repair. */
export function isDamage(cause: unknown): boolean {
  return sqliteFailureOf(cause) === "damaged" || cause instanceof JournalDamage;
}

/** What is in the file is not what a journal holds. */
export class JournalDamage extends Error {
  override readonly name = "JournalDamage";
}
