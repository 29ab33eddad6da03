import type { AdminClient } from "../../daemon/admin_client.ts";
import { PalyraError } from "../../identity/palyra_error.ts";
import { hasReason } from "../../transport/grpc/grpc_status.ts";

/** A pause before asking again, in milliseconds. */
const PAUSE_MS = 100;

/** How long a daemon that gives no answer is asked, in milliseconds. */
const PATIENCE_MS = 120_000;

/** No call that was not taken lasts longer, in milliseconds. */
const LASTED_MS = 5_000;

/** Where a {@linkcode ChaosClient} finds its daemon. */
export interface ChaosDaemon {
  /** Resolves when it should be there; rejects when it will not be any more. */
  daemonUp(): Promise<void>;
  /** A new connection to it. */
  operator(): Promise<AdminClient>;
}

/** Nobody knows whether the daemon has done what it was asked to. */
export class Unanswered extends Error {
  override readonly name = "Unanswered";
}

/** An operator who outlives the daemon: it takes a new connection whenever the old one has failed. */
export class ChaosClient implements Disposable {
  readonly #daemon: ChaosDaemon;
  #admin: Promise<AdminClient> | undefined;

  constructor(daemon: ChaosDaemon) {
    this.#daemon = daemon;
  }

  /**
   * Uses the connection once. Rejects with {@linkcode Unanswered} when no answer came, with the daemon's own refusal when it
   * refused.
   */
  async once<T>(use: (admin: AdminClient) => Promise<T>): Promise<T> {
    await this.#daemon.daemonUp();
    const connection = this.#admin ??= this.#daemon.operator();
    const admin = await connection;
    try {
      return await use(admin);
    } catch (error) {
      if (error instanceof PalyraError && hasReason(error.cause)) throw error;
      if (this.#admin === connection) {
        this.#admin = undefined;
        admin[Symbol.dispose]();
      }
      throw new Unanswered("the daemon gave no answer", { cause: error });
    }
  }

  /** Uses a connection until there is an answer; `onRepeat` is called before each further try. */
  async untilAnswered<T>(use: (admin: AdminClient) => Promise<T>, onRepeat: () => void = () => {}): Promise<T> {
    for (let failingSince = performance.now();;) {
      const began = performance.now();
      try {
        // deno-lint-ignore no-await-in-loop -- one try after the other
        return await this.once(use);
      } catch (error) {
        const now = performance.now();
        // A call that lasted got through: a watch may be broken off whenever it likes.
        if (now - began > LASTED_MS) failingSince = now;
        if (!(error instanceof Unanswered) || now - failingSince > PATIENCE_MS) throw error;
        onRepeat();
        // deno-lint-ignore no-await-in-loop -- a pause between the tries
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      }
    }
  }

  [Symbol.dispose](): void {
    void this.#admin?.then((admin) => admin[Symbol.dispose](), () => {});
  }
}
