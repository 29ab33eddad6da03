/** Works for whose sake alone the event loop may wait for the disk: a thread of its own would cost them more. */
const FEW_WORKS = 2;

/** A disk that takes longer than this, in milliseconds, … */
const SLOW_MS = 4;

/** … is not waited for on the event loop for so long, in milliseconds. */
const DISTRUST_MS = 1_000;

/** What is synced; `Deno.FsFile` is such. */
export interface SyncedFile {
  syncData(): Promise<void>;
  syncDataSync(): void;
}

/**
 * Brings a write-ahead log onto the disk: for one or two works, while the disk is quick, at once; else on another thread,
 * so that the daemon goes on and more works join the next sync.
 */
export class WalSync {
  readonly #file: SyncedFile;
  readonly #now: () => number;
  #distrustedUntil = -Infinity;

  constructor(file: SyncedFile, now: () => number = () => performance.now()) {
    this.#file = file;
    this.#now = now;
  }

  /** Resolves when everything that was written is on the disk; `works` have been waiting for it. */
  sync(works: number): Promise<void> {
    const began = this.#now();
    if (works > FEW_WORKS || began < this.#distrustedUntil) return this.#file.syncData();
    try {
      this.#file.syncDataSync();
    } catch (failure) {
      return Promise.reject(failure);
    }
    const ended = this.#now();
    if (ended - began > SLOW_MS) this.#distrustedUntil = ended + DISTRUST_MS;
    return Promise.resolve();
  }
}
