import { getLogger } from "@logtape/logtape";
import { PalyraError } from "../identity/palyra_error.ts";
import { sameBytes } from "../identity/same_bytes.ts";
import type { CapabilityRequestRecord } from "./store/capability_request_record.ts";
import type { Store } from "./store/store.ts";

const log = getLogger(["palyra", "daemon", "queue"]);

/** How long to wait before something that could not be written is tried again, in milliseconds. */
const WRITE_RETRY_MS = 1_000;

/** How long an end that nobody waits for may be held back to share a commit, in milliseconds. */
const END_PATIENCE_MS = 10;

/** Writes requests for the queue, and an end until it succeeds. */
export class RequestWriter {
  readonly #store: Store;
  readonly #retries = new Map<ReturnType<typeof setTimeout>, () => void>();
  #closed = false;

  constructor(store: Store) {
    this.#store = store;
  }

  /**
   * Writes a new request; resolves with the earlier one when its idempotency key is taken. Throws `invalid_argument`
   * when the key was used for something else.
   */
  insert(request: CapabilityRequestRecord): Promise<CapabilityRequestRecord | undefined> {
    return this.#store.transaction(async (tx) => {
      const { deviceId, idempotencyKey } = request;
      const earlier = idempotencyKey === undefined
        ? undefined
        : await tx.requests.findByIdempotencyKey(deviceId, idempotencyKey);
      if (earlier === undefined) await tx.requests.insert(request);
      else requireSameOrder(request, earlier);
      return earlier;
    });
  }

  /** Writes how a request stands. */
  update(request: CapabilityRequestRecord): Promise<void> {
    return this.#store.transaction((tx) => tx.requests.update(request));
  }

  /** Writes the end of a request, trying again until it succeeds; false when the daemon stopped before it did. */
  async writeEnd(request: CapabilityRequestRecord): Promise<boolean> {
    // Nobody waits for the end of an idempotent request to be written, so it shares the next one's commit.
    const patienceMs = request.idempotent ? END_PATIENCE_MS : 0;
    while (!this.#closed) {
      try {
        // deno-lint-ignore no-await-in-loop -- one try after the other
        await this.#store.transaction((tx) => tx.requests.update(request), { patienceMs });
        return true;
      } catch (cause) {
        log.error("The end of a request could not be written; it is tried again.", { cause });
        // deno-lint-ignore no-await-in-loop -- one try after the other
        await new Promise<void>((resolve) => this.later(resolve));
      }
    }
    return false;
  }

  /** Calls `action` after a moment, or when this is closed. */
  later(action: () => void): void {
    const timer = setTimeout(() => {
      this.#retries.delete(timer);
      action();
    }, WRITE_RETRY_MS);
    this.#retries.set(timer, action);
  }

  /** Stops trying. */
  close(): void {
    this.#closed = true;
    const waiting = [...this.#retries];
    this.#retries.clear();
    for (const [timer, action] of waiting) {
      clearTimeout(timer);
      action();
    }
  }
}

/** An idempotency key stands for one order; throws `invalid_argument` when it comes with another. */
function requireSameOrder(order: CapabilityRequestRecord, earlier: CapabilityRequestRecord): void {
  const same = order.capability === earlier.capability && order.requestedBy === earlier.requestedBy &&
    sameBytes(order.inputJson, earlier.inputJson);
  if (same) return;
  throw new PalyraError(
    "invalid_argument",
    "This idempotency key was used for another request to the same node. Use a new key for a new request.",
  );
}
