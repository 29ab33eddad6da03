import { systemClock, type UnixMs } from "../../identity/unix_ms.ts";
import { relativeTime } from "../../transport/program/relative_time.ts";

/** A time of a message for people, relative to now; empty for 0, which means "never". */
export function timeText(at: number): string {
  return at === 0 ? "" : relativeTime(at as UnixMs, systemClock());
}
