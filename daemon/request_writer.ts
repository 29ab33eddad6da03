import { getLogger } from "@logtape/logtape";
import { PalyraError } from "../identity/palyra_error.ts";
import { sameBytes } from "../identity/same_bytes.ts";
import { forgetsHarmlessly } from "./on_disconnect.ts";
import { auditRequestEnd } from "./audit/request_end_record.ts";
import type { CapabilityRequestRecord } from "./store/capability_request_record.ts";
import type { RequestProgressRecord } from "./store/request_progress_record.ts";
import type { Store } from "./store/store.ts";

const log = getLogger(["palyra", "daemon", "queue"]);

/** How long to wait before something that could not be written is tried again, in milliseconds. */
const WRITE_RETRY_MS = 1_000;

/** How long something that nobody waits for may be held back to share a commit, in milliseconds. */
const LAZY_PATIENCE_MS = 10;

/** Writes requests for the queue, and an end until it succeeds. */
export class RequestWriter {
  readonly #store: Store;
  readonly #onRecovery: () => void;
  readonly #retries = new Map<ReturnType<typeof setTimeout>, () => void>();
  #heldEnds = 0;
  #failing = false;
  #closed = false;

  /** `onRecovery` is called when every end that had to be held is written. */
  constructor(store: Store, onRecovery: () => void) {
    this.#store = store;
    this.#onRecovery = onRecovery;
  }

  /** Whether the last write failed: nothing that is not accepted yet should be begun. */
  get isFailing(): boolean {
    return this.#failing;
  }

  /** Whether results are held in memory until the disk takes them: nothing should be begun that makes more of them. */
  get holdsEnds(): boolean {
    return this.#heldEnds > 0;
  }

  /**
   * Writes a new request; resolves with the earlier one when its idempotency key is taken. Throws `invalid_argument`
   * when the key was used for something else, and what the store throws; then nothing was written.
   */
  insert(request: CapabilityRequestRecord): Promise<CapabilityRequestRecord | undefined> {
    return this.#noting(this.#store.transaction(async (tx) => {
      const { deviceId, idempotencyKey } = request;
      const earlier = idempotencyKey === undefined
        ? undefined
        : await tx.requests.findByIdempotencyKey(deviceId, idempotencyKey);
      if (earlier === undefined) await tx.requests.insert(request);
      else requireSameOrder(request, earlier);
      return earlier;
    }));
  }

  /** Writes how a request stands. */
  async update(request: CapabilityRequestRecord): Promise<void> {
    await this.#noting(this.#store.transaction((tx) => tx.requests.update(request)));
  }

  /** Writes how a request stands, when there is time for it: without that it would only seem to be in doubt. */
  updateLazily(request: CapabilityRequestRecord): void {
    this.#noting(this.#store.transaction((tx) => tx.requests.update(request), { patienceMs: LAZY_PATIENCE_MS }))
      .catch((cause) => log.debug("It could not be written that a request waits again.", { cause }));
  }

  /**
   * Writes the end of a request and what is left of its progress, trying again until it succeeds; false when the daemon
   * stopped before it did.
   */
  async writeEnd(
    request: CapabilityRequestRecord,
    progress: readonly RequestProgressRecord[] = [],
  ): Promise<boolean> {
    // Nobody waits for an end to be written that may be forgotten, so it shares the next one's commit.
    const patienceMs = forgetsHarmlessly(request) ? LAZY_PATIENCE_MS : 0;
    let held = false;
    while (!this.#closed) {
      try {
        // deno-lint-ignore no-await-in-loop -- one try after the other
        await this.#noting(this.#store.transaction(async (tx) => {
          // One that was sent before it was on disk may have ended, and then not have been accepted.
          if (!await tx.requests.update(request)) return;
          await auditRequestEnd(tx, request);
          if (progress.length > 0) await tx.progress.append(request.requestId, progress);
        }, { patienceMs }));
        if (held) this.#release();
        return true;
      } catch (cause) {
        if (!held) log.error("The end of a request could not be written; it is held and tried again.", { cause });
        // What fails for a reason of its own must not keep the others waiting.
        if (!held && PalyraError.from(cause).code !== "internal") {
          held = true;
          this.#heldEnds++;
        }
        // deno-lint-ignore no-await-in-loop -- one try after the other
        await new Promise<void>((resolve) => this.later(resolve));
      }
    }
    return false;
  }

  /** Calls `action` after a moment, or when this is closed. */
  later(action: () => void): void {
    if (this.#closed) return action();
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

  #nowFailing(failure: unknown): void {
    if (!this.#failing) log.error("The store does not take what is to be written; what can wait waits.", { failure });
    this.#failing = true;
  }

  #release(): void {
    this.#heldEnds--;
    if (this.#heldEnds > 0) return;
    log.info("Everything that was held because it could not be written is on disk.");
    this.#onRecovery();
  }

  async #noting<T>(write: Promise<T>): Promise<T> {
    try {
      const result = await write;
      this.#failing = false;
      return result;
    } catch (failure) {
      // A key that was used for another order says nothing about the disk.
      if (!(failure instanceof PalyraError && failure.code === "invalid_argument")) this.#nowFailing(failure);
      throw failure;
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
