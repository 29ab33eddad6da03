import { getLogger } from "@logtape/logtape";
import { type Clock, unixMs } from "../identity/unix_ms.ts";
import type { DeviceRegistry } from "./device_registry.ts";
import { PeriodicCheck } from "./periodic_check.ts";
import type { Store, StoreTransaction } from "./store/store.ts";

const log = getLogger(["palyra", "daemon", "retention"]);

/** Days for which what has ended is kept when nothing else is configured. */
export const DEFAULT_RETENTION_DAYS = 30;

/** How often is looked for what may go, in milliseconds. */
const LOOK_EVERY_MS = 3_600_000;

/** What one transaction deletes at most, so that nobody waits long behind it. */
const BATCH = 250;

/** Breath between two batches, in milliseconds. */
const PAUSE_MS = 20;

/** What {@linkcode HistoryRetention} needs. */
export interface HistoryRetentionOptions {
  readonly store: Store;
  readonly devices: DeviceRegistry;
  readonly clock: Clock;
  /** How long what has ended is kept, in milliseconds. */
  readonly keptMs: number;
  /** Default: an hour. */
  readonly lookEveryMs?: number;
}

/**
 * Deletes what ended so long ago that nobody asks for it: requests with their progress and their idempotency keys,
 * certificates that have expired, pairing codes and requests that were decided. The audit is never touched, and a
 * device's events have a bound of their own.
 */
export class HistoryRetention {
  readonly #options: HistoryRetentionOptions;
  readonly #check: PeriodicCheck;
  #stopped = false;
  #pause: { readonly timer: ReturnType<typeof setTimeout>; readonly end: () => void } | undefined;
  #first: Promise<void> = Promise.resolve();

  private constructor(options: HistoryRetentionOptions) {
    this.#options = options;
    this.#check = new PeriodicCheck(() => this.#sweep(), options.lookEveryMs ?? LOOK_EVERY_MS);
  }

  /** Begins a first look at once, and waits for none. */
  static start(options: HistoryRetentionOptions): HistoryRetention {
    const retention = new HistoryRetention(options);
    retention.#first = retention.#sweep();
    return retention;
  }

  /** Resolves when the first look is done. */
  get firstLook(): Promise<void> {
    return this.#first;
  }

  /** Ends after the batch that is under way. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#pause?.timer);
    this.#pause?.end();
    await Promise.all([this.#check.stop(), this.#first]);
  }

  async #sweep(): Promise<void> {
    const { devices, clock, keptMs } = this.#options;
    const moment = unixMs(Math.max(0, clock() - keptMs));
    devices.forgetExpiredRevocations();
    try {
      const requests = await this.#inBatches((tx) => tx.requests.deleteEndedBefore(moment, BATCH));
      const pairings = await this.#inBatches((tx) => tx.pairing.deleteEndedBefore(moment, BATCH));
      const certificates = await this.#inBatches(async (tx) => {
        const expired = await tx.devices.deleteCertificatesExpiredBefore(moment, BATCH);
        // Should the transaction fail, an expired certificate that is not known is refused as well.
        devices.forgetCertificates(expired);
        return expired.length;
      });
      // Nobody asks what became of a device that was removed.
      await this.#inBatches((tx) => tx.devices.deleteExpiredRevoked(clock(), BATCH));
      if (requests + pairings + certificates === 0) return;
      log.info("History was deleted that is older than it is kept.", {
        requests,
        pairings,
        certificates,
        before: new Date(moment).toISOString(),
      });
    } catch (cause) {
      log.error("Old history could not be deleted; it is tried again later.", { cause });
    }
  }

  async #inBatches(deleteSome: (tx: StoreTransaction) => Promise<number>): Promise<number> {
    let total = 0;
    while (!this.#stopped) {
      // deno-lint-ignore no-await-in-loop -- one batch after the other, with room for others in between
      const deleted = await this.#options.store.transaction(deleteSome);
      total += deleted;
      if (deleted < BATCH) break;
      // deno-lint-ignore no-await-in-loop -- see above
      await this.#breathe();
    }
    return total;
  }

  async #breathe(): Promise<void> {
    await new Promise<void>((end) => this.#pause = { timer: setTimeout(end, PAUSE_MS), end });
    this.#pause = undefined;
  }
}
