import type { DatabaseSync, StatementSync } from "node:sqlite";
import { PalyraError } from "../../../identity/palyra_error.ts";

interface Job {
  run(): Promise<void>;
  succeed(): void;
  fail(reason: unknown): void;
}

/**
 * Joins all works that arrive in one turn of the event loop into one SQLite transaction, each in a savepoint of its
 * own: a burst costs one fsync, and one work's failure undoes nothing of the others.
 */
export class GroupCommit {
  readonly #db: DatabaseSync;
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  readonly #savepoint: StatementSync;
  readonly #release: StatementSync;
  readonly #onCommitFailure: (cause: unknown) => unknown;
  #waiting: Job[] = [];
  #scheduled = false;
  #commitCount = 0;
  #closed = false;
  #patience: ReturnType<typeof setTimeout> | undefined;
  #flushing: Promise<void> = Promise.resolve();

  /** `onCommitFailure` turns SQLite's error into what the callers get. */
  constructor(db: DatabaseSync, onCommitFailure: (cause: unknown) => unknown) {
    this.#db = db;
    this.#begin = db.prepare("BEGIN IMMEDIATE");
    this.#commit = db.prepare("COMMIT");
    this.#savepoint = db.prepare("SAVEPOINT work");
    this.#release = db.prepare("RELEASE work");
    this.#onCommitFailure = onCommitFailure;
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
      if (patienceMs === 0) this.#schedule();
      else this.#patience ??= setTimeout(() => this.#schedule(), patienceMs);
    });
  }

  /** Refuses further works and resolves when those that came before have been run. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#waiting.length > 0) this.#schedule();
    while (this.#scheduled || this.#waiting.length > 0) {
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
        if (this.#waiting.length > 0) this.#schedule();
      });
    });
  }

  async #flush(): Promise<void> {
    clearTimeout(this.#patience);
    this.#patience = undefined;
    const group = this.#waiting;
    this.#waiting = [];
    const done: Job[] = [];
    try {
      this.#begin.run();
      for (const job of group) {
        // deno-lint-ignore no-await-in-loop -- works are isolated by running one after the other
        if (await this.#runInSavepoint(job)) done.push(job);
      }
      this.#commit.run();
      this.#commitCount++;
    } catch (cause) {
      this.#rollBack();
      const reason = this.#onCommitFailure(cause);
      // A job that failed on its own has been told already; telling a settled promise again does nothing.
      for (const job of group) job.fail(reason);
      return;
    }
    for (const job of done) job.succeed();
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
