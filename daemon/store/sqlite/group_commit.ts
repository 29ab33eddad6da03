import type { DatabaseSync, StatementSync } from "node:sqlite";
import { PalyraError } from "../../../identity/palyra_error.ts";

interface Job {
  run(): Promise<void>;
  succeed(): void;
  fail(reason: unknown): void;
}

/** What a {@linkcode GroupCommit} tells and asks of its owner. */
export interface GroupCommitOptions {
  /** Turns SQLite's error into what the callers get, when a group could not be committed and nothing of it is kept. */
  readonly onCommitFailure: (cause: unknown) => unknown;
  /** Called when a group has been committed; it may not be on the disk yet. */
  readonly onCommit?: () => void;
  /**
   * Brings what was committed onto the disk, for the sake of so many works, where SQLite itself does not do it. Default:
   * SQLite does it.
   */
  readonly sync?: (works: number) => Promise<void>;
}

/**
 * Joins all works that arrive in one turn of the event loop, or while the group before them is brought onto the disk, into
 * one SQLite transaction, each in a savepoint of its own: a burst costs one fsync, and one work's failure undoes nothing
 * of the others. No work sees anything that is not on the disk but what its own group has written.
 */
export class GroupCommit {
  readonly #db: DatabaseSync;
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  readonly #savepoint: StatementSync;
  readonly #release: StatementSync;
  readonly #totalChanges: StatementSync;
  readonly #options: GroupCommitOptions;
  #changes: unknown;
  /** After this nothing is certain any more. */
  #broken: { readonly reason: unknown } | undefined;
  #waiting: Job[] = [];
  #scheduled = false;
  /** Somebody who waits wants a group soon. */
  #urgent = false;
  #commitCount = 0;
  #closed = false;
  #patience: ReturnType<typeof setTimeout> | undefined;
  #flushing: Promise<void> = Promise.resolve();

  constructor(db: DatabaseSync, options: GroupCommitOptions) {
    this.#db = db;
    this.#options = options;
    this.#begin = db.prepare("BEGIN IMMEDIATE");
    this.#commit = db.prepare("COMMIT");
    this.#savepoint = db.prepare("SAVEPOINT work");
    this.#release = db.prepare("RELEASE work");
    this.#totalChanges = db.prepare("SELECT total_changes() AS total");
    this.#changes = this.#countChanges();
  }

  /** Groups that were committed. */
  get commitCount(): number {
    return this.#commitCount;
  }

  /**
   * Runs `work` in the next group; settles when that group is on disk. With patience, in milliseconds, the work waits
   * for somebody else's group, and makes its own only when none came in that time.
   */
  run<T>(work: () => Promise<T>, patienceMs = 0): Promise<T> {
    if (this.#closed) return Promise.reject(new PalyraError("shutting_down", "The state database is closed."));
    return new Promise<T>((resolve, reject) => {
      let result: { value: T } | undefined;
      this.#waiting.push({
        run: async () => {
          result = { value: await work() };
        },
        succeed: () =>
          result === undefined ? reject(new Error("a work was committed before it ran")) : resolve(result.value),
        fail: reject,
      });
      if (patienceMs === 0) {
        this.#urgent = true;
        this.#schedule();
      } else {
        this.#patience ??= setTimeout(() => {
          this.#urgent = true;
          this.#schedule();
        }, patienceMs);
      }
    });
  }

  /** Refuses further works and resolves when those that came before have been run. */
  async close(): Promise<void> {
    this.#closed = true;
    while (this.#scheduled || this.#waiting.length > 0) {
      this.#schedule();
      // deno-lint-ignore no-await-in-loop -- each round waits for the group that the one before it scheduled
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    await this.#flushing;
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#flushing = this.#flush().finally(() => {
        this.#scheduled = false;
        // The patient ones that came meanwhile have a timer of their own.
        if (this.#urgent) this.#schedule();
      });
    });
  }

  async #flush(): Promise<void> {
    clearTimeout(this.#patience);
    this.#patience = undefined;
    this.#urgent = false;
    const group = this.#waiting;
    this.#waiting = [];
    const done: Job[] = [];
    try {
      if (this.#broken !== undefined) throw this.#broken.reason;
      this.#begin.run();
      for (const job of group) {
        // deno-lint-ignore no-await-in-loop -- works are isolated by running one after the other
        if (await this.#runInSavepoint(job)) done.push(job);
      }
      this.#commit.run();
      this.#commitCount++;
      this.#options.onCommit?.();
    } catch (cause) {
      this.#rollBack();
      const reason = this.#options.onCommitFailure(cause);
      // A job that failed on its own has been told already; telling a settled promise again does nothing.
      for (const job of group) job.fail(reason);
      return;
    }
    try {
      await this.#syncChanges(done.length);
    } catch (cause) {
      // The system may have thrown away what it could not write, and says so only once: no later sync can be believed.
      this.#broken = { reason: this.#options.onCommitFailure(cause) };
      for (const job of done) job.fail(this.#broken.reason);
      return;
    }
    for (const job of done) job.succeed();
  }

  /** What only read needs no fsync. */
  async #syncChanges(works: number): Promise<void> {
    const { sync } = this.#options;
    if (sync === undefined) return;
    const changes = this.#countChanges();
    if (changes === this.#changes) return;
    await sync(works);
    this.#changes = changes;
  }

  #countChanges(): unknown {
    return this.#totalChanges.get()?.["total"];
  }

  #rollBack(): void {
    try {
      if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
    } catch {
      // SQLite has ended the transaction by itself; what it failed with is what the callers are told.
    }
  }

  async #runInSavepoint(job: Job): Promise<boolean> {
    this.#savepoint.run();
    try {
      await job.run();
    } catch (reason) {
      // A full disk may have ended the whole transaction; then the group fails as one.
      if (!this.#db.isTransaction) throw reason;
      this.#db.exec("ROLLBACK TO work; RELEASE work");
      job.fail(reason);
      return false;
    }
    this.#release.run();
    return true;
  }
}
