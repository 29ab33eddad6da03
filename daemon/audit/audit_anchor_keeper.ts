import { getLogger } from "@logtape/logtape";
import type { SecretStore } from "../../identity/secret_store.ts";
import type { Clock } from "../../identity/unix_ms.ts";
import type { AuditHead } from "../store/audit_record.ts";
import type { Store, StoreTransaction } from "../store/store.ts";
import { DAEMON_ACTOR } from "./audit_act.ts";
import {
  type AuditAnchor,
  type FoundAnchor,
  makeAuditKey,
  readAuditAnchor,
  readAuditKey,
  writeAuditAnchor,
} from "./audit_anchor.ts";
import { EMPTY_AUDIT } from "./audit_chain.ts";

const log = getLogger(["palyra", "daemon", "audit"]);

/** How long the anchor may lag behind the audit, in milliseconds: an fsync costs something, and so it is not one a commit. */
export const ANCHOR_EVERY_MS = 1_000;

/** What {@linkcode AuditAnchorKeeper} needs. */
export interface AuditAnchorKeeperOptions {
  /** The state folder, which holds the anchor. */
  readonly folder: string;
  readonly secrets: SecretStore;
  readonly store: Pick<Store, "transaction" | "onAuditRecords">;
  readonly clock: Clock;
  /** @default {ANCHOR_EVERY_MS} */
  readonly everyMs?: number;
}

/**
 * Keeps the anchor of the audit: at most a second behind it, and right at its end when the daemon stops in order. What
 * happened to the audit while no daemon ran is found at the start; it is written into the audit itself, since the anchor
 * that shows it goes on from there.
 */
export class AuditAnchorKeeper {
  readonly #options: AuditAnchorKeeperOptions;
  readonly #key: Uint8Array;
  readonly #unsubscribe: () => void;
  readonly #everyMs: number;
  #head: AuditHead;
  #written: AuditHead;
  #archived: AuditHead;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #writing: Promise<void> = Promise.resolve();
  #failing = false;
  #closed = false;

  private constructor(options: AuditAnchorKeeperOptions, key: Uint8Array, head: AuditHead, archived: AuditHead) {
    this.#options = options;
    this.#everyMs = options.everyMs ?? ANCHOR_EVERY_MS;
    this.#key = key;
    this.#head = this.#written = head;
    this.#archived = archived;
    this.#unsubscribe = options.store.onAuditRecords((head) => {
      this.#head = head;
      this.#schedule();
    });
  }

  /** Compares the audit with the anchor, and writes the first of this process. Rejects when that cannot be written. */
  static async open(options: AuditAnchorKeeperOptions): Promise<AuditAnchorKeeper> {
    const { folder, secrets, store, clock } = options;
    const storedKey = await readAuditKey(secrets);
    const anchor = await readAuditAnchor(folder, storedKey);
    const key = storedKey ?? await makeAuditKey(secrets);
    const { head, beginning } = await store.transaction(async (tx) => {
      const found = await tx.audit.head();
      const beginning = await beginningOf(tx);
      const finding = await damageFound(tx, anchor, found, beginning);
      if (finding === undefined) return { head: found, beginning };
      const expected = typeof anchor === "string" ? EMPTY_AUDIT : anchor;
      log.error("The audit was tampered with, or restored without its anchor: `palyrad audit verify` tells.", {
        finding,
        expected: expected.sequence,
        found: found.sequence,
      });
      await tx.audit.append({
        kind: "audit.damaged",
        actor: DAEMON_ACTOR,
        subject: "",
        details: {
          finding,
          expected_sequence: expected.sequence,
          expected_hash: expected.hash,
          found_sequence: found.sequence,
          found_hash: found.hash,
        },
      }, clock());
      await tx.audit.acceptLoss();
      return { head: await tx.audit.head(), beginning };
    });
    const keeper = new AuditAnchorKeeper(options, key, head, beginning);
    try {
      await keeper.#write(false);
    } catch (error) {
      keeper.#unsubscribe();
      throw error;
    }
    return keeper;
  }

  /**
   * Notes that the records up to `through`, which have been archived, may be missing from now on. To be called before they
   * are deleted. Writes the anchor of everything that has been committed; rejects when it cannot be written.
   */
  async noteArchived(through: AuditHead): Promise<void> {
    if (through.sequence > this.#archived.sequence) this.#archived = through;
    await this.#write(false);
  }

  /** The last anchor: behind it there is nothing. To be called when the store is closed. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#unsubscribe();
    clearTimeout(this.#timer);
    try {
      await this.#write(true);
    } catch (cause) {
      log.error("The anchor of the audit could not be written; it stays where it was.", { cause });
    }
  }

  async #writeInTime(): Promise<void> {
    try {
      await this.#write(false);
      if (this.#failing) log.info("The anchor of the audit can be written again.");
      this.#failing = false;
    } catch (cause) {
      // Once, however long the disk is full.
      if (!this.#failing) log.error("The anchor of the audit could not be written; it is tried again.", { cause });
      this.#failing = true;
    }
    this.#timer = undefined;
    if (this.#head !== this.#written) this.#schedule();
  }

  #schedule(): void {
    if (!this.#closed) this.#timer ??= setTimeout(() => void this.#writeInTime(), this.#everyMs);
  }

  /** One write after the other, so that an older anchor never comes last. */
  #write(closed: boolean): Promise<void> {
    const { folder, clock } = this.#options;
    const write = async () => {
      const head = this.#head;
      const { sequence, hash } = head;
      await writeAuditAnchor(folder, this.#key, { sequence, hash, at: clock(), closed, archived: this.#archived });
      this.#written = head;
    };
    const done = this.#writing.then(write);
    this.#writing = done.catch(() => {});
    return done;
  }
}

/** How the audit differs from what the anchor says, in words for people; undefined when it does not. */
async function damageFound(
  tx: StoreTransaction,
  anchor: FoundAnchor,
  found: AuditHead,
  beginning: AuditHead,
): Promise<string | undefined> {
  if (await tx.audit.highestSequence() > found.sequence) return "the newest records were deleted";
  if (typeof anchor === "string") {
    if (found.sequence === 0 && anchor === "missing") return undefined;
    return anchor === "missing" ? "the anchor was deleted" : "the anchor was not written by this daemon";
  }
  if (anchor.sequence > found.sequence) return "the newest records were deleted";
  if (anchor.archived !== undefined && beginning.sequence > anchor.archived.sequence) {
    return "the oldest records were deleted";
  }
  if (await hashAt(tx, anchor) !== anchor.hash) return "records were replaced";
  if (anchor.closed && found.sequence > anchor.sequence) return "records were added while no daemon ran";
  return undefined;
}

/** The record before the oldest that there is. */
async function beginningOf(tx: StoreTransaction): Promise<AuditHead> {
  const [oldest] = await tx.audit.read({ after: 0, limit: 1 });
  return oldest === undefined ? EMPTY_AUDIT : { sequence: oldest.sequence - 1, hash: oldest.previousHash };
}

async function hashAt(tx: StoreTransaction, { sequence }: AuditAnchor): Promise<string | undefined> {
  if (sequence === 0) return EMPTY_AUDIT.hash;
  const [record] = await tx.audit.read({ after: sequence - 1, limit: 1 });
  // The record itself may have been archived; the one behind it goes on from it.
  return record?.sequence === sequence + 1 ? record.previousHash : record?.hash;
}
