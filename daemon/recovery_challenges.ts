import type { CanonicalUlid, DeviceId } from "../identity/device_id.ts";
import { newUlid } from "../identity/device_id.ts";
import { RECOVERY_CHALLENGE_BYTES, RECOVERY_CHALLENGE_TTL_MS } from "../identity/device_recovery.ts";
import type { ObservedCertificates } from "../identity/pairing_transcript.ts";
import { PalyraError } from "../identity/palyra_error.ts";
import { secureRandomBytes } from "../identity/random_bytes.ts";
import { sourceOf } from "../identity/source_address.ts";
import { SourceRateLimit } from "../identity/source_rate_limit.ts";
import { type Clock, type UnixMs, unixMs } from "../identity/unix_ms.ts";

/** Challenges that may wait at once; one more ends the oldest. */
export const MAX_RECOVERY_CHALLENGES = 256;

/** Challenges that one source (an IPv4 address, an IPv6 /64) may have waiting; its next one ends its oldest. */
export const MAX_RECOVERY_CHALLENGES_PER_SOURCE = 16;

/** Challenges that one source may ask for in a minute. */
export const MAX_RECOVERY_STARTS_PER_SOURCE = 60;

const START_WINDOW_MS = 60_000;
const MAX_REMEMBERED_SOURCES = 4_096;

/** What a device has to answer. */
export interface RecoveryChallenge extends ObservedCertificates {
  readonly recoveryId: CanonicalUlid;
  readonly challenge: Uint8Array;
  readonly deviceId: DeviceId;
  readonly expiresAt: UnixMs;
}

interface Waiting extends RecoveryChallenge {
  readonly source: string;
}

/** The challenges of recoveries that wait for their answers: in memory, bounded, each good for one answer. */
export class RecoveryChallenges {
  readonly #clock: Clock;
  readonly #starts: SourceRateLimit;
  // In the order in which they were made: a Map keeps the order of insertion.
  readonly #waiting = new Map<CanonicalUlid, Waiting>();

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#starts = new SourceRateLimit({
      starts: MAX_RECOVERY_STARTS_PER_SOURCE,
      windowMs: START_WINDOW_MS,
      sources: MAX_REMEMBERED_SOURCES,
    }, clock);
  }

  /**
   * Makes one for a device that claims to be `deviceId`, whether or not there is such a device: who asks is not known yet.
   * Throws `rate_limited` when its source has asked too often in the last minute. Where too many wait, the oldest goes: a
   * device answers within moments, so who has many addresses would have to fill the whole table between the two, while
   * turning others away would take no more than to fill it once a minute.
   */
  make(deviceId: DeviceId, address: string, observed: ObservedCertificates): RecoveryChallenge {
    const source = sourceOf(address);
    if (!this.#starts.tryStart(source)) {
      throw new PalyraError(
        "rate_limited",
        `This address has begun ${MAX_RECOVERY_STARTS_PER_SOURCE} recoveries within a minute; try again in a minute.`,
      );
    }
    const now = this.#clock();
    for (const [id, { expiresAt }] of this.#waiting) if (expiresAt <= now) this.#waiting.delete(id);
    const own = [...this.#waiting.values()].filter((each) => each.source === source);
    const [oldest] = own;
    if (oldest !== undefined && own.length >= MAX_RECOVERY_CHALLENGES_PER_SOURCE) {
      this.#waiting.delete(oldest.recoveryId);
    }
    const [first] = this.#waiting.keys();
    if (first !== undefined && this.#waiting.size >= MAX_RECOVERY_CHALLENGES) this.#waiting.delete(first);
    const challenge = {
      ...observed,
      recoveryId: newUlid(),
      challenge: secureRandomBytes(RECOVERY_CHALLENGE_BYTES),
      deviceId,
      expiresAt: unixMs(now + RECOVERY_CHALLENGE_TTL_MS),
    };
    this.#waiting.set(challenge.recoveryId, { ...challenge, source });
    return challenge;
  }

  /** Takes one out for its only answer. Throws `recovery_unknown` when it was answered, has expired, or is another device's. */
  take(recoveryId: CanonicalUlid, deviceId: DeviceId): RecoveryChallenge {
    const waiting = this.#waiting.get(recoveryId);
    this.#waiting.delete(recoveryId);
    if (waiting !== undefined && waiting.deviceId === deviceId && waiting.expiresAt > this.#clock()) return waiting;
    throw new PalyraError(
      "recovery_unknown",
      "This recovery was answered already, or its minute is over; begin another one.",
    );
  }
}
