import type { StatementSync } from "node:sqlite";
import { getLogger } from "@logtape/logtape";
import { PalyraError } from "../../identity/palyra_error.ts";
import type { CapabilityResult } from "../../proto/gen/node.ts";
import type { AttemptName } from "../dispatch.ts";
import { type JournalFile, openJournalFile } from "./journal_file.ts";
import { journalWriteFailure } from "./journal_failure.ts";
import { writeJournalMark } from "./journal_mark.ts";
import { JournalRows, type StoredAttempts } from "./journal_rows.ts";

const logger = getLogger(["palyra", "node_host", "journal"]);

/** How long a row that is no longer needed may wait for somebody else's commit, in milliseconds. */
const FORGET_PATIENCE_MS = 200;
/** How many such rows may wait. */
const MAX_FORGOTTEN_WAITING = 128;
/** How long after a failed commit what must still be written is tried again, in milliseconds. */
const RETRY_MS = 1_000;

/** What is to become of an attempt's row. */
type Change =
  | { readonly kind: "start" }
  | { readonly kind: "finish"; readonly result: CapabilityResult }
  | { readonly kind: "forget" };

interface PendingChange {
  readonly name: AttemptName;
  readonly change: Change;
}

interface WaitingStart {
  readonly key: string;
  readonly written: PromiseWithResolvers<void>;
}

/**
 * What the node must not forget when its process is killed: the attempts of capabilities that are not idempotent, from
 * before they start until the daemon has acknowledged their result (design section 5).
 *
 * Whatever arrives in one turn of the event loop shares one transaction and one fsync. Only a start is waited for. A
 * result goes to the daemon at once, beside its commit: a crash between the two leaves an attempt whose outcome is
 * unknown, which is the truth, or which the daemon knows better. A row that is no longer needed goes with a later commit:
 * when a crash keeps it, the daemon is told once more of what it has settled.
 *
 * When the disk takes nothing, starts are refused and everything else is kept in memory and tried again: at most what the
 * work desk remembers.
 */
export class AttemptJournal implements AsyncDisposable {
  /** Names the journal in the Hello. */
  readonly id: string;
  readonly #file: JournalFile;
  readonly #rows: JournalRows;
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  readonly #setGeneration: StatementSync;
  #generation: number;
  /** Attempts that have a row, or will have one. */
  readonly #held: Set<string>;
  /** By attempt, the newest wins. */
  readonly #changes = new Map<string, PendingChange>();
  #starts: WaitingStart[] = [];
  #soon: ReturnType<typeof setImmediate> | undefined;
  #later: ReturnType<typeof setTimeout> | undefined;
  #commitCount = 0;
  #failing = false;
  #closed = false;
  #closing: Promise<void> | undefined;

  private constructor(file: JournalFile) {
    this.id = file.id;
    this.#file = file;
    this.#rows = new JournalRows(file.db);
    this.#begin = file.db.prepare("BEGIN IMMEDIATE");
    this.#commit = file.db.prepare("COMMIT");
    this.#setGeneration = file.db.prepare("UPDATE journal SET generation = ?");
    this.#generation = file.generation;
    this.#held = new Set(this.#rows.names().map(keyOf));
  }

  /** Opens the journal of a state folder that this process alone holds; rejects as {@linkcode openJournalFile} does. */
  static async open(stateFolder: string): Promise<AttemptJournal> {
    return new AttemptJournal(await openJournalFile(stateFolder));
  }

  /** Transactions that were committed. */
  get commitCount(): number {
    return this.#commitCount;
  }

  /** What an earlier process left, oldest first. */
  load(): StoredAttempts {
    return this.#rows.load();
  }

  /** Whether the attempt has a row, or will have one. */
  holds(attempt: AttemptName): boolean {
    return this.#held.has(keyOf(attempt));
  }

  /**
   * Notes that an attempt starts; resolves when that is on the disk. Rejects with `state_read_only` or `state_damaged`
   * when it cannot be written, and with `shutting_down` after {@linkcode close}; then the attempt must not start.
   */
  start(name: AttemptName): Promise<void> {
    if (this.#closed) {
      return Promise.reject(new PalyraError("shutting_down", "palyra-node is stopping; ask again when it is back."));
    }
    const written = Promise.withResolvers<void>();
    this.#starts.push({ key: keyOf(name), written });
    this.#put(name, { kind: "start" });
    this.#flushSoon();
    return written.promise;
  }

  /** Keeps the result of an attempt that has started, until it is forgotten. Written with the next commit. */
  finish(name: AttemptName, result: CapabilityResult): void {
    if (this.#closed) return;
    this.#put(name, { kind: "finish", result });
    this.#flushSoon();
  }

  /** The daemon has settled this attempt. Does nothing for one that is not held. */
  forget(name: AttemptName): void {
    if (this.#closed || !this.#held.delete(keyOf(name))) return;
    this.#changes.set(keyOf(name), { name, change: { kind: "forget" } });
    if (this.#changes.size > MAX_FORGOTTEN_WAITING && !this.#failing) this.#flushSoon();
    else this.#flushLater(this.#failing ? RETRY_MS : FORGET_PATIENCE_MS);
  }

  /** Writes what waits and closes the file. Nothing that comes afterwards is kept. */
  close(): Promise<void> {
    return this.#closing ??= this.#shut();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #shut(): Promise<void> {
    // What ends in this very turn still gets in.
    await new Promise<void>((resolve) => setImmediate(resolve));
    this.#flush();
    this.#closed = true;
    clearImmediate(this.#soon);
    clearTimeout(this.#later);
    try {
      // One file is left, which can be read without making others beside it.
      this.#file.db.exec("PRAGMA journal_mode = DELETE");
    } catch {
      // Somebody reads it, or the disk is full: the log stays beside it and is as good.
    }
    this.#file.db.close();
  }

  #put(name: AttemptName, change: Change): void {
    this.#held.add(keyOf(name));
    this.#changes.set(keyOf(name), { name, change });
  }

  #flushSoon(): void {
    this.#soon ??= setImmediate(() => this.#flush());
  }

  #flushLater(ms: number): void {
    this.#later ??= setTimeout(() => this.#flush(), ms);
  }

  #flush(): void {
    clearImmediate(this.#soon);
    clearTimeout(this.#later);
    this.#soon = this.#later = undefined;
    if (this.#changes.size === 0 || this.#closed) return;
    const starts = this.#starts;
    this.#starts = [];
    const generation = this.#generation + (starts.length > 0 ? 1 : 0);
    try {
      this.#begin.run();
      for (const { name, change } of this.#changes.values()) this.#apply(name, change);
      if (generation > this.#generation) this.#setGeneration.run(generation);
      this.#commit.run();
    } catch (cause) {
      this.#rollBack();
      return this.#failed(starts, cause);
    }
    this.#commitCount += 1;
    this.#changes.clear();
    if (this.#failing) logger.info("The journal can be written again.");
    this.#failing = false;
    if (generation > this.#generation) this.#mark(generation);
    for (const { written } of starts) written.resolve();
  }

  #apply(name: AttemptName, change: Change): void {
    switch (change.kind) {
      case "start":
        return this.#rows.insert(name);
      case "finish":
        return this.#rows.setResult(name, change.result);
      case "forget":
        return this.#rows.remove(name);
    }
  }

  /** Before anything starts: a copy from before this commit must not pass for the journal when it is put back. */
  #mark(generation: number): void {
    this.#generation = generation;
    try {
      writeJournalMark(this.#file.stateFolder, { id: this.id, generation });
    } catch (cause) {
      logger.warning("The journal's mark cannot be written: that an older journal is put back may go unnoticed.", {
        cause,
      });
    }
  }

  #rollBack(): void {
    try {
      if (this.#file.db.isTransaction) this.#file.db.exec("ROLLBACK");
    } catch {
      // SQLite has ended the transaction by itself; what it failed with is what counts.
    }
  }

  /** What would have started does not; the rest is tried again. */
  #failed(starts: readonly WaitingStart[], cause: unknown): void {
    const failure = journalWriteFailure(cause);
    if (!this.#failing) {
      logger.error("The journal cannot be written, so nothing is started that must not run twice: {reason}", {
        reason: failure.message,
        cause,
      });
    }
    this.#failing = true;
    for (const { key, written } of starts) {
      if (this.#changes.get(key)?.change.kind === "start") {
        this.#changes.delete(key);
        this.#held.delete(key);
      }
      written.reject(failure);
    }
    if (this.#changes.size > 0) this.#flushLater(RETRY_MS);
  }
}

function keyOf({ requestId, attempt }: AttemptName): string {
  return `${requestId}/${attempt}`;
}
