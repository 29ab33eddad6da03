import { copyFileSync, existsSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { CapabilityQueue } from "../../daemon/capability_queue.ts";
import { SqliteStore } from "../../daemon/store/sqlite/sqlite_store.ts";
import type { ElapsedTime } from "../../daemon/elapsed_time.ts";
import type { Clock } from "../../identity/unix_ms.ts";
import { CommittedStore } from "./committed_store.ts";
import { isIdempotent } from "./modelled_node.ts";

/** By which clocks a daemon lives. */
export interface DaemonClocks {
  readonly clock: Clock;
  readonly elapsed: ElapsedTime;
}

const FILE = "palyrad.sqlite";

/** The part of a daemon that the model is about: the real queue on the real store. */
export class QueueDaemon {
  readonly committed: CommittedStore;
  readonly #folder: string;
  readonly #store: SqliteStore;
  readonly #clocks: DaemonClocks;
  #queue: CapabilityQueue | undefined;

  private constructor(folder: string, store: SqliteStore, clocks: DaemonClocks) {
    this.#folder = folder;
    this.#store = store;
    this.#clocks = clocks;
    this.committed = new CommittedStore(join(folder, FILE));
  }

  /** Opens the store in `folder`, and leaves the requests in it as they are until {@linkcode QueueDaemon.load}. */
  static open(folder: string, clocks: DaemonClocks): QueueDaemon {
    mkdirSync(folder, { recursive: true });
    return new QueueDaemon(folder, SqliteStore.open(join(folder, FILE)), clocks);
  }

  /** Takes up what is unfinished. */
  async load(): Promise<void> {
    this.#queue = await CapabilityQueue.open({
      store: this.#store,
      policy: { check: (_, capability) => ({ idempotent: isIdempotent(capability) }) },
      ...this.#clocks,
    });
  }

  get queue(): CapabilityQueue {
    if (this.#queue === undefined) throw new Error("the daemon has not loaded its requests");
    return this.#queue;
  }

  get store(): SqliteStore {
    return this.#store;
  }

  /** Copies to `folder` what a crash at this very moment would leave. */
  copyTo(folder: string): void {
    mkdirSync(folder, { recursive: true });
    for (const name of [FILE, `${FILE}-wal`]) {
      if (existsSync(join(this.#folder, name))) copyFileSync(join(this.#folder, name), join(folder, name));
    }
  }

  /** Stops as palyrad does: what is under way is written. */
  async stop(): Promise<void> {
    this.queue.close();
    await this.#store.close();
    this.committed[Symbol.dispose]();
  }

  /** Stops it and removes its files. */
  async remove(): Promise<void> {
    await this.stop();
    rmSync(this.#folder, { recursive: true });
  }
}
