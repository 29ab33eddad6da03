import { PalyraError } from "../identity/palyra_error.ts";

/** `event_gap`: a reader of a device's events wants some that are no longer kept. */
export class EventGapError extends PalyraError {
  /** The number of the oldest event that is kept, or of the next one when none is. */
  readonly oldestSequence: number;

  constructor(oldestSequence: number) {
    super(
      "event_gap",
      `The device's events before number ${oldestSequence} are no longer kept. Look at how it stands now, then read on ` +
        `after number ${oldestSequence - 1}.`,
    );
    this.name = "EventGapError";
    this.oldestSequence = oldestSequence;
  }
}
