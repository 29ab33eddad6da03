import type { UnixMs } from "../../identity/unix_ms.ts";

const SECOND_MS = 1_000;
const MINUTE_MS: number = 60 * SECOND_MS;
const HOUR_MS: number = 60 * MINUTE_MS;
const DAY_MS: number = 24 * HOUR_MS;

/** A length of time for people, in its largest whole unit: `900 ms`, `12 s`, `3 min`, `5 h`, `2 d`. Rounds to the nearest. */
export function durationText(milliseconds: number): string {
  const length = Math.max(0, Math.round(milliseconds));
  if (length < SECOND_MS) return `${length} ms`;
  const seconds = Math.round(length / SECOND_MS);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.round(length / MINUTE_MS);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.round(length / HOUR_MS);
  // Two days in hours still say more than "1 d".
  if (hours < 48) return `${hours} h`;
  return `${Math.round(length / DAY_MS)} d`;
}

/** A moment as seen from `now`: `3 min ago`, `in 9 min`, or `now` within a second. */
export function relativeTime(at: UnixMs, now: UnixMs): string {
  const distance = at - now;
  if (Math.abs(distance) < SECOND_MS) return "now";
  return distance < 0 ? `${durationText(-distance)} ago` : `in ${durationText(distance)}`;
}
