import type { DatabaseSync } from "node:sqlite";

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
  readonly #onCommitFailure: (cause: unknown) => unknown;
  #waiting: Job[] = [];
  #scheduled = false;
  #flushing: Promise<void> = Promise.resolve();

  /** `onCommitFailure` turns SQLite's error into what the callers get. */
  constructor(db: DatabaseSync, onCommitFailure: (cause: unknown) => unknown) {
    this.#db = db;
    this.#onCommitFailure = onCommitFailure;
  }

  /** Runs `work` in the next group; settles when that group is on disk. */
  run<T>(work: () => Promise<T>): Promise<T> {
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
      this.#schedule();
    });
  }

  /** Resolves when nothing waits any more. */
  async idle(): Promise<void> {
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
    const group = this.#waiting;
    this.#waiting = [];
    const done: Job[] = [];
    try {
      this.#db.exec("BEGIN IMMEDIATE");
      for (const job of group) {
        // deno-lint-ignore no-await-in-loop -- works are isolated by running one after the other
        if (await this.#runInSavepoint(job)) done.push(job);
      }
      this.#db.exec("COMMIT");
    } catch (cause) {
      if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
      const reason = this.#onCommitFailure(cause);
      // A job that failed on its own has been told already; telling a settled promise again does nothing.
      for (const job of group) job.fail(reason);
      return;
    }
    for (const job of done) job.succeed();
  }

  async #runInSavepoint(job: Job): Promise<boolean> {
    this.#db.exec("SAVEPOINT work");
    try {
      await job.run();
    } catch (reason) {
      // A full disk may have ended the whole transaction; then the group fails as one.
      if (!this.#db.isTransaction) throw reason;
      this.#db.exec("ROLLBACK TO work; RELEASE work");
      job.fail(reason);
      return false;
    }
    this.#db.exec("RELEASE work");
    return true;
  }
}
