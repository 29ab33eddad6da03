import { unixMs } from "../../../identity/unix_ms.ts";
import { EventGapError } from "../../event_gap_error.ts";
import type { DeviceEvent, ReadDeviceEvents } from "../device_events.ts";
import { Recorder } from "./recorder.ts";

/** An event log for tests. */
export interface KeptEvents {
  readonly read: ReadDeviceEvents;
  /** Readers that have begun and not stopped. */
  readonly readers: number;
  /** Each reader that has stopped, by the number of the last event that it took; 0 for none. */
  readonly stopped: Recorder<number>;
  /** Events that were taken, by all readers together. */
  readonly taken: number;
}

/** What a {@linkcode keptEvents} log has. */
export interface KeptEventsOptions {
  /** Number of the oldest event. Default: 1. */
  readonly oldest?: number;
  /** Number of the newest event. Default: 5. */
  readonly newest?: number;
  /** Text in the payload of each. Default: empty. */
  readonly filling?: string;
}

/** A log of some events and no more to come: readers wait after the last one until they are stopped. */
export function keptEvents({ oldest = 1, newest = 5, filling = "" }: KeptEventsOptions = {}): KeptEvents {
  let readers = 0;
  let taken = 0;
  const stopped = new Recorder<number>();
  return {
    get readers() {
      return readers;
    },
    stopped,
    get taken() {
      return taken;
    },
    async *read(_peer, after, signal) {
      const from = (after ?? oldest - 1) + 1;
      if (from < oldest) throw new EventGapError(oldest);
      readers++;
      let last = 0;
      try {
        for (let sequence = from; sequence <= newest; sequence++) {
          taken++;
          last = sequence;
          yield eventOf(sequence, filling);
        }
        await aborted(signal);
      } finally {
        readers--;
        stopped.add(last);
      }
    },
  };
}

function eventOf(sequence: number, filling: string): DeviceEvent {
  return { sequence, name: "test.event", payload: { filling }, at: unixMs(1_700_000_000_000 + sequence) };
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
