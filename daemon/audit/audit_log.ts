import { PalyraError } from "../../identity/palyra_error.ts";
import type { Clock } from "../../identity/unix_ms.ts";
import type { AuditHead, AuditRecord } from "../store/audit_record.ts";
import type { Store, StoreTransaction } from "../store/store.ts";
import type { AuditKind } from "./audit_act.ts";
import type { AuditAnchorKeeper } from "./audit_anchor_keeper.ts";

/** Records that a reader holds at most; it asks for more when it has handed these out. */
const PAGE_RECORDS = 64;

/**
 * The most records that are deleted at once, as nothing else is committed meanwhile; who has more of them to delete does
 * so in steps.
 */
export const MAX_FORGOTTEN_AT_ONCE = 5_000;

/** What {@linkcode AuditLog} needs. */
export interface AuditLogOptions {
  readonly store: Store;
  readonly anchor: Pick<AuditAnchorKeeper, "noteArchived">;
  readonly clock: Clock;
}

/**
 * The audit of a daemon that runs: for reading it, following it live, and deleting what was archived. Who acts appends to
 * it in the transaction of the act (`tx.audit.append`).
 */
export class AuditLog {
  readonly #options: AuditLogOptions;
  readonly #waiting = new Set<() => void>();
  readonly #unsubscribe: () => void;
  #closed = false;

  constructor(options: AuditLogOptions) {
    this.#options = options;
    this.#unsubscribe = options.store.onAuditRecords(() => this.#wake());
  }

  /**
   * The records behind `after`, oldest first, and with `follow` then each new one until `signal` fires. They are fetched
   * as they are taken, so that a slow reader costs no memory; those that are archived meanwhile it does not see.
   *
   * Throws `invalid_argument` for a number that no record has had yet, and `shutting_down` when the daemon stops.
   */
  async *read(
    after: number,
    kind: AuditKind | undefined,
    follow: boolean,
    signal: AbortSignal,
  ): AsyncGenerator<AuditRecord, void, void> {
    let position = after;
    while (!signal.aborted) {
      // Listening begins before reading, so that nothing falls between the two.
      const news = this.#listen(signal);
      try {
        // deno-lint-ignore no-await-in-loop -- each page begins behind the one before
        const { records, head } = await this.#page(position);
        for (const record of records) {
          if (signal.aborted) return;
          // Not for the store to look for: through a long audit, that would hold up everybody else.
          if (kind === undefined || record.kind === kind) yield record;
        }
        // A page that is not full has all that there is.
        position = records.length < PAGE_RECORDS ? head.sequence : records.at(-1)?.sequence ?? head.sequence;
        if (position < head.sequence) continue;
        if (!follow) return;
        // deno-lint-ignore no-await-in-loop -- waits for the next record
        await news.promise;
      } finally {
        news.end();
      }
    }
  }

  /**
   * Deletes the records up to `through`, which the caller has archived: it proves that by the hash of that one. A record
   * `audit.archived` tells of it, from which the others can be verified. Resolves with how many were deleted.
   *
   * Throws `audit_broken` when the hash is another one, and `invalid_argument` when there is no such record or more than
   * {@linkcode MAX_FORGOTTEN_AT_ONCE} would go; then nothing is deleted.
   */
  async forget(through: AuditHead, operator: string): Promise<number> {
    const { store, anchor, clock } = this.#options;
    await store.transaction((tx) => oldestToForget(tx, through));
    // First, for two reasons: the anchor must never be older than the oldest record, as there would be nothing to compare
    // it with; and whoever deletes records without it cannot say that this was an archive.
    await anchor.noteArchived({ sequence: through.sequence, hash: through.hash });
    return await store.transaction(async (tx) => {
      const oldest = await oldestToForget(tx, through);
      const deleted = await tx.audit.removeThrough(through.sequence);
      await tx.audit.append({
        kind: "audit.archived",
        actor: operator,
        subject: "",
        details: { first_sequence: oldest.sequence, last_sequence: through.sequence, last_hash: through.hash },
      }, clock());
      return deleted;
    });
  }

  /** Ends every reader with `shutting_down`. Closing again does nothing. */
  close(): void {
    this.#closed = true;
    this.#unsubscribe();
    this.#wake();
  }

  async #page(after: number): Promise<{ readonly records: readonly AuditRecord[]; readonly head: AuditHead }> {
    if (this.#closed) throw new PalyraError("shutting_down", "The daemon is stopping; read on when it is back.");
    const { records, head } = await this.#options.store.transaction(async (tx) => ({
      head: await tx.audit.head(),
      records: await tx.audit.read({ after, limit: PAGE_RECORDS }),
    }));
    if (!Number.isSafeInteger(after) || after < 0 || after > head.sequence) {
      throw new PalyraError(
        "invalid_argument",
        `The audit's newest record is ${head.sequence}; begin behind 0 to that.`,
      );
    }
    return { records, head };
  }

  /** Resolves at the next record, or when `signal` fires; `end` has to be called. */
  #listen(signal: AbortSignal): { readonly promise: Promise<void>; readonly end: () => void } {
    const { promise, resolve } = Promise.withResolvers<void>();
    const wake = () => resolve();
    this.#waiting.add(wake);
    signal.addEventListener("abort", wake);
    if (signal.aborted) wake();
    const end = () => {
      signal.removeEventListener("abort", wake);
      this.#waiting.delete(wake);
    };
    return { promise, end };
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
  }
}

/** The oldest record, if those from it up to `through` may be deleted. */
async function oldestToForget(tx: StoreTransaction, through: AuditHead): Promise<AuditRecord> {
  const [oldest] = await tx.audit.read({ after: 0, limit: 1 });
  const [newest] = await tx.audit.read({ after: through.sequence - 1, limit: 1 });
  if (oldest === undefined || newest?.sequence !== through.sequence) {
    throw new PalyraError("invalid_argument", `The audit has no record ${through.sequence}.`);
  }
  if (newest.hash !== through.hash) {
    throw new PalyraError(
      "audit_broken",
      `Record ${through.sequence} of the audit has another hash than the one that was archived. Nothing was ` +
        "deleted; `palyrad audit verify` tells what is wrong.",
    );
  }
  if (through.sequence - oldest.sequence >= MAX_FORGOTTEN_AT_ONCE) {
    throw new PalyraError("invalid_argument", `At most ${MAX_FORGOTTEN_AT_ONCE} records are deleted at once.`);
  }
  return oldest;
}
