import { CERTIFICATE_BACKDATE_MS } from "../../identity/certificate_authority.ts";
import type { UnixMs } from "../../identity/unix_ms.ts";
import type { Attempt } from "../../transport/program/doctor/attempt.ts";
import type { Check } from "../../transport/program/doctor/check.ts";
import { failed, type Finding, ok, skipped, warning } from "../../transport/program/doctor/finding.ts";
import { durationText } from "../../transport/program/mod.ts";
import type { DaemonTime } from "./daemon_admission.ts";
import type { PairingFiles } from "./pairing_files.ts";

/** Clocks that differ by more than this are worth a word, in milliseconds. */
const WORTH_A_WORD_MS = 30_000;

/** What a time that was rounded down to whole seconds is off by, in the middle. */
const HALF_A_SECOND_MS = 500;

const SET_IT = "Set the clocks of both machines by the network, for example with `timedatectl set-ntp true`.";

/** What {@linkcode clockCheck} goes by. */
export interface ClockCheckOptions {
  /** What the daemon's clock said, by whichever address was quickest; undefined when it could not be asked. */
  readonly daemonTime: Promise<DaemonTime | undefined>;
  readonly files: Attempt<PairingFiles> | undefined;
  readonly now: UnixMs;
}

/**
 * Whether this machine's clock agrees with the daemon's. Certificates are good from five minutes before they are made, so
 * more than that keeps the two apart. Without the daemon, a certificate of the future still gives a slow clock away.
 */
export function clockCheck({ daemonTime, files, now }: ClockCheckOptions): Check {
  const examine = async (): Promise<Finding> => {
    const time = await daemonTime;
    if (time !== undefined) return compare(time);
    const notBefore = files?.value?.facts.notBefore;
    if (notBefore !== undefined && now < notBefore) {
      return failed(
        "clock_off",
        `This machine's clock says ${new Date(now).toISOString()}, and its certificate was made later.`,
        SET_IT,
      );
    }
    return skipped(
      "The daemon could not be asked for its time, and nothing here speaks against this machine's.",
      "First do what the other checks of the daemon say.",
    );
  };
  return { name: "clock", examine };
}

/** As NTP takes it: the daemon looked at its clock in the middle between question and answer. */
function compare({ at, askedAt, answeredAt }: DaemonTime): Finding {
  const aheadMs = (askedAt + answeredAt) / 2 - (at + HALF_A_SECOND_MS);
  const offMs = Math.abs(aheadMs);
  if (offMs <= WORTH_A_WORD_MS) {
    return ok(`This machine's clock and the daemon's agree to within ${durationText(Math.max(offMs, 1_000))}.`);
  }
  const seen = `This machine's clock is ${durationText(offMs)} ${aheadMs > 0 ? "ahead of" : "behind"} the daemon's.`;
  return offMs > CERTIFICATE_BACKDATE_MS ? failed("clock_off", seen, SET_IT) : warning("clock_off", seen, SET_IT);
}
