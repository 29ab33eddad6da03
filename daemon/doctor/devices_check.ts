import type { UnixMs } from "../../identity/unix_ms.ts";
import type { Attempt } from "../../transport/program/doctor/attempt.ts";
import type { Check } from "../../transport/program/doctor/check.ts";
import { type Finding, ok, skippedFor, warning } from "../../transport/program/doctor/finding.ts";
import type { DatabaseContent, PairedDevice } from "./state_database.ts";

const DAY_MS = 24 * 3_600_000;

/** Devices that a finding names. */
const MAX_NAMED = 5;

/** Whose certificates have expired, and how many end within a day; those renew themselves while they are connected. */
export function devicesCheck(database: Attempt<DatabaseContent | undefined>, now: UnixMs): Check {
  const examine = (): Finding => {
    const devices = database.value?.devices;
    if (devices === undefined) return skippedFor(database.failure === undefined ? "state_folder" : "database");
    if (devices.length === 0) return ok("No device is paired.");
    const endsBefore = (at: number) => devices.filter(({ expiresAt }) => expiresAt === undefined || expiresAt <= at);
    const expired = endsBefore(now);
    const soon = endsBefore(now + DAY_MS).length - expired.length;
    const ending = `that end within a day, and are renewed while their devices are connected: ${soon}`;
    if (expired.length === 0) return ok(`Paired devices: ${devices.length}; certificates ${ending}.`);
    return warning(
      "certificate_expired",
      `Paired devices: ${devices.length}; certificates that have expired: ${expired.length} (${
        namesOf(expired)
      }); ${ending}.`,
      "On each of those, run `palyra-node doctor`; `palyrad devices remove` takes away what is not used any more.",
    );
  };
  return { name: "devices", examine };
}

function namesOf(devices: readonly PairedDevice[]): string {
  const named = devices.slice(0, MAX_NAMED).map(({ name }) => name).join(", ");
  return devices.length > MAX_NAMED ? `${named} and others` : named;
}
