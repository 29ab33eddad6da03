import { PalyraError } from "../identity/palyra_error.ts";
import type { HealthState } from "../transport/grpc/health_service.ts";
import type { Store } from "./store/store.ts";

/** How long the store may take to answer before it counts as an obstacle, in milliseconds. */
export const STORE_ANSWER_MS = 2_000;

/** What keeps the daemon from doing its work. */
export interface Obstacle {
  /** `service`: it has not started yet, or is stopping; `store`: the state database does not do what it should. */
  readonly part: "service" | "store";
  /** A sentence for people, with the cure where there is one. */
  readonly message: string;
}

/** What {@linkcode Readiness} looks at. */
export interface ReadinessOptions {
  readonly health: Pick<HealthState, "serving">;
  readonly store: Pick<Store, "transaction">;
  /** Defaults to {@linkcode STORE_ANSWER_MS}. */
  readonly storeAnswerMs?: number;
}

/** Whether the daemon can take requests now: it serves, and its store runs a transaction. */
export class Readiness {
  readonly #options: ReadinessOptions;
  #storeProbe: Promise<Obstacle | undefined> | undefined;

  constructor(options: ReadinessOptions) {
    this.#options = options;
  }

  /** Everything that is in the way; nothing when the daemon is ready. Never rejects. */
  async obstacles(): Promise<Obstacle[]> {
    const ofStore = await this.#storeObstacle();
    const found: Obstacle[] = [];
    if (!this.#options.health.serving) found.push({ part: "service", message: "palyrad is starting or stopping." });
    if (ofStore !== undefined) found.push(ofStore);
    return found;
  }

  /** Asks the store, for a while; those who ask while it has not answered yet share one question. */
  async #storeObstacle(): Promise<Obstacle | undefined> {
    const { storeAnswerMs = STORE_ANSWER_MS } = this.#options;
    const { promise: late, resolve } = Promise.withResolvers<Obstacle>();
    const message = `The state database has not answered for ${storeAnswerMs} ms. Check the disk that holds it.`;
    const timer = setTimeout(() => resolve({ part: "store", message }), storeAnswerMs);
    this.#storeProbe ??= this.#probeStore().finally(() => this.#storeProbe = undefined);
    try {
      return await Promise.race([this.#storeProbe, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  async #probeStore(): Promise<Obstacle | undefined> {
    try {
      // Which fact does not matter: a transaction that reads shows that the database can be locked and read.
      await this.#options.store.transaction((tx) => tx.facts.get("readiness"));
      return undefined;
    } catch (failure) {
      return { part: "store", message: PalyraError.from(failure).message };
    }
  }
}
