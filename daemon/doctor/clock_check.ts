import type { UnixMs } from "../../identity/unix_ms.ts";
import type { Attempt } from "../../transport/program/doctor/attempt.ts";
import type { Check } from "../../transport/program/doctor/check.ts";
import { failed, type Finding, ok, skippedFor } from "../../transport/program/doctor/finding.ts";
import { durationText } from "../../transport/program/relative_time.ts";
import type { AuthorityFiles } from "./ca_check.ts";
import type { DatabaseContent } from "./state_database.ts";

/** A clock may be set back by a little without harm, in milliseconds. */
const TOLERATED_MS = 30_000;

/** What {@linkcode clockCheck} goes by. */
export interface ClockEvidence {
  readonly database: Attempt<DatabaseContent | undefined>;
  readonly authority: Attempt<AuthorityFiles | undefined>;
  readonly now: UnixMs;
}

/** Whether this machine's clock is behind what was stored by it earlier. That it is ahead only another clock can tell. */
export function clockCheck({ database, authority, now }: ClockEvidence): Check {
  const examine = (): Finding => {
    const moments = [database.value?.newestAt, authority.value?.facts.notBefore].filter((at) => at !== undefined);
    if (moments.length === 0) return skippedFor("state_folder");
    const behindMs = Math.max(...moments) - now;
    if (behindMs <= TOLERATED_MS) return ok("Nothing that was stored here is of the future.");
    return failed(
      "clock_off",
      `This machine's clock is behind by ${durationText(behindMs)} at least: something was stored at ` +
        `${new Date(Math.max(...moments)).toISOString()}.`,
      "Set the clock by the network, for example with `timedatectl set-ntp true`.",
    );
  };
  return { name: "clock", examine };
}
