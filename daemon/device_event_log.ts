import type { DeviceId } from "../identity/device_id.ts";
import { PalyraError } from "../identity/palyra_error.ts";
import type { Clock } from "../identity/unix_ms.ts";
import { EventGapError } from "../transport/event_gap_error.ts";
import type { DeviceAct } from "./device_act.ts";
import { deviceNotFound, type DeviceRegistry } from "./device_registry.ts";
import type { DeviceEventPage, DeviceEventRecord } from "./store/device_event_record.ts";
import type { Store } from "./store/store.ts";

/** Events that a reader holds at most; it asks for more when it has handed these out. */
const PAGE_EVENTS = 16;

/** What {@linkcode DeviceEventLog} needs. */
export interface DeviceEventLogOptions {
  readonly store: Store;
  readonly devices: DeviceRegistry;
  readonly clock: Clock;
}

/**
 * The durable event log of each device, for reading it and following it live. Who acts on a device appends to its log in
 * the transaction of the act (`tx.events.append`); the readers are woken by the commit.
 */
export class DeviceEventLog {
  readonly #store: Store;
  readonly #devices: DeviceRegistry;
  readonly #clock: Clock;
  readonly #waiting = new Map<DeviceId, Set<() => void>>();
  readonly #unsubscribe: () => void;
  #closed = false;

  constructor({ store, devices, clock }: DeviceEventLogOptions) {
    this.#store = store;
    this.#devices = devices;
    this.#clock = clock;
    this.#unsubscribe = store.onDeviceEvents((deviceId) => this.#wake(deviceId));
  }

  /** Logs an act that writes nothing else; resolves when it is on disk. Throws `device_not_found`. */
  async publish(deviceId: DeviceId, act: DeviceAct): Promise<DeviceEventRecord> {
    const now = this.#clock();
    return await this.#store.transaction(async (tx) => {
      if (await tx.devices.get(deviceId) === undefined) throw deviceNotFound();
      return await tx.events.append(deviceId, act, now);
    });
  }

  /**
   * The events of a device with a number greater than `after`, oldest first, and then each new one until `signal`
   * fires. Without `after` it begins with the oldest that is kept. Events are fetched as they are taken, so that a slow
   * reader costs no memory.
   *
   * Throws what {@linkcode kept} throws, {@linkcode EventGapError} also to a reader so slow that what it wants next was
   * dropped; `device_not_found` when the device is removed, and `shutting_down` when the daemon stops.
   */
  async *read(
    deviceId: DeviceId,
    after: number | undefined,
    signal: AbortSignal,
  ): AsyncGenerator<DeviceEventRecord, void, void> {
    let position = after;
    while (!signal.aborted) {
      // Listening begins before reading, so that nothing falls between the two.
      const news = this.#listen(deviceId, signal);
      try {
        // deno-lint-ignore no-await-in-loop -- each page begins behind the one before
        const page = await this.#page(deviceId, position);
        for (const event of page.events) {
          if (signal.aborted) return;
          yield event;
        }
        position = endOf(page);
        // deno-lint-ignore no-await-in-loop -- waits for the next event
        if (position === page.newest) await news.promise;
      } finally {
        news.end();
      }
    }
  }

  /**
   * The events of a device with a number greater than `after`, oldest first, up to the newest. Without `after` it begins
   * with the oldest that is kept.
   *
   * Throws {@linkcode EventGapError} when the event behind `after` is no longer kept; `device_not_found`; and
   * `invalid_argument` for a number that no event has had yet. Waiting for that one would pass over in silence what comes
   * before it: whoever has such a number got it from another daemon, or before this one was restored from a backup.
   */
  async *kept(deviceId: DeviceId, after: number | undefined): AsyncGenerator<DeviceEventRecord, void, void> {
    let position = after;
    for (;;) {
      // deno-lint-ignore no-await-in-loop -- each page begins behind the one before
      const page = await this.#page(deviceId, position);
      yield* page.events;
      position = endOf(page);
      if (position === page.newest) return;
    }
  }

  /** A device was deleted, and its events with it: its readers end. */
  deviceRemoved(deviceId: DeviceId): void {
    this.#wake(deviceId);
  }

  /** Ends every reader with `shutting_down`. Closing again does nothing. */
  close(): void {
    this.#closed = true;
    this.#unsubscribe();
    for (const deviceId of [...this.#waiting.keys()]) this.#wake(deviceId);
  }

  async #page(deviceId: DeviceId, after: number | undefined): Promise<DeviceEventPage> {
    if (after !== undefined && !(Number.isSafeInteger(after) && after >= 0)) {
      throw new PalyraError("invalid_argument", "Events are read on after a whole number; 0 is before the first.");
    }
    if (this.#closed) throw new PalyraError("shutting_down", "The daemon is stopping; read on when it is back.");
    if (this.#devices.get(deviceId) === undefined) throw deviceNotFound();
    const page = await this.#store.transaction((tx) => tx.events.read(deviceId, after ?? 0, PAGE_EVENTS));
    if (after === undefined) return page;
    if (after + 1 < page.oldest) throw new EventGapError(page.oldest);
    if (after > page.newest) {
      throw new PalyraError(
        "invalid_argument",
        `The device's newest event has number ${page.newest}, and none has been numbered ${after}. Read on after ` +
          `number ${page.newest}, or from the beginning.`,
      );
    }
    return page;
  }

  /** Resolves at the next event of the device, or when `signal` fires; `end` has to be called. */
  #listen(deviceId: DeviceId, signal: AbortSignal): { readonly promise: Promise<void>; readonly end: () => void } {
    const { promise, resolve } = Promise.withResolvers<void>();
    const wake = () => resolve();
    const wakers = this.#waiting.get(deviceId) ?? new Set();
    this.#waiting.set(deviceId, wakers.add(wake));
    signal.addEventListener("abort", wake);
    if (signal.aborted) wake();
    const end = () => {
      signal.removeEventListener("abort", wake);
      wakers.delete(wake);
      if (wakers.size === 0) this.#waiting.delete(deviceId);
    };
    return { promise, end };
  }

  #wake(deviceId: DeviceId): void {
    for (const wake of this.#waiting.get(deviceId) ?? []) wake();
  }
}

/** Behind which event a reader of `page` goes on. */
function endOf({ events, newest }: DeviceEventPage): number {
  return events.at(-1)?.sequence ?? newest;
}
