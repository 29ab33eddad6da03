import type { CanonicalUlid, DeviceId } from "../identity/device_id.ts";
import type { Clock } from "../identity/unix_ms.ts";
import type { PairingRequestRecord } from "./store/pairing_record.ts";

/**
 * The longest a timer waits before it looks at the clock again, in milliseconds: timers stand still while a machine
 * sleeps, and the clock may be set.
 */
const LOOK_AGAIN_MS = 60_000;

/** One who waits, and the timer that is its own. */
interface Watcher {
  readonly requestId: CanonicalUlid;
  readonly deviceId: DeviceId;
  readonly onChange: () => void;
  timer: ReturnType<typeof setTimeout> | undefined;
}

/** Those who wait for news of a pairing request: a decision, its expiry, or that its device was removed. */
export class PairingWatchers {
  readonly #clock: Clock;
  readonly #watchers = new Set<Watcher>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Calls `onChange` whenever there is news of the request, and once when its time for a decision is over. The returned
   * function ends that and has to be called.
   */
  watch({ requestId, deviceId, expiresAt }: PairingRequestRecord, onChange: () => void): () => void {
    const watcher: Watcher = { requestId, deviceId, onChange, timer: undefined };
    const waitForExpiry = () => {
      const leftMs = expiresAt - this.#clock();
      if (leftMs <= 0) onChange();
      else watcher.timer = setTimeout(waitForExpiry, Math.min(leftMs, LOOK_AGAIN_MS));
    };
    // What is over already is no news.
    if (expiresAt > this.#clock()) waitForExpiry();
    this.#watchers.add(watcher);
    return () => {
      clearTimeout(watcher.timer);
      this.#watchers.delete(watcher);
    };
  }

  /** There is news of these requests. */
  notify(requestIds: readonly CanonicalUlid[]): void {
    this.#wake((watcher) => requestIds.includes(watcher.requestId));
  }

  /** There is news of every request of a device. */
  notifyDevice(deviceId: DeviceId): void {
    this.#wake((watcher) => watcher.deviceId === deviceId);
  }

  #wake(concerns: (watcher: Watcher) => boolean): void {
    for (const watcher of [...this.#watchers].filter(concerns)) watcher.onChange();
  }
}
