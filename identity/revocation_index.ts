import type { DeviceId } from "./device_id.ts";
import type { Fingerprint } from "./fingerprint.ts";
import type { UnixMs } from "./unix_ms.ts";

/** Why and when something was revoked. */
export interface Revocation {
  readonly reason: string;
  readonly revokedAt: UnixMs;
}

/** A revoked device: whatever certificate it shows, it is not let in. */
export interface DeviceRevocation extends Revocation {
  readonly kind: "device";
  readonly deviceId: DeviceId;
}

/** A revoked certificate. */
export interface CertificateRevocation extends Revocation {
  readonly kind: "certificate";
  readonly fingerprint: Fingerprint;
  /** When the certificate expires by itself; from then on the entry may be forgotten. */
  readonly certificateExpiresAt?: UnixMs;
}

/** One entry of the index, as it is persisted. */
export type RevocationEntry = DeviceRevocation | CertificateRevocation;

/** Hears of a revocation in the same turn of the event loop, so that live connections end before anything else runs. */
export type RevocationListener = (entry: RevocationEntry) => void;

/**
 * Who is shut out: the one place that both transports and every call ask. In memory; whoever owns it persists what it
 * adds and loads it at start. A revocation once made stands until it is forgotten by name.
 */
export class RevocationIndex {
  readonly #devices = new Map<DeviceId, DeviceRevocation>();
  readonly #certificates = new Map<Fingerprint, CertificateRevocation>();
  readonly #listeners = new Set<RevocationListener>();
  #generation = 0;

  /** Grows with every change: a cheap way to see that a remembered answer is still good. */
  get generation(): number {
    return this.#generation;
  }

  /** Shuts a device out. False when it already was: the first revocation stands. */
  revokeDevice(deviceId: DeviceId, revocation: Revocation): boolean {
    return this.#add({ kind: "device", deviceId, reason: revocation.reason, revokedAt: revocation.revokedAt });
  }

  /** Shuts one certificate out. False when it already was: the first revocation stands. */
  revokeFingerprint(
    fingerprint: Fingerprint,
    revocation: Revocation & { readonly certificateExpiresAt?: UnixMs },
  ): boolean {
    const { reason, revokedAt, certificateExpiresAt } = revocation;
    const expiry = certificateExpiresAt === undefined ? {} : { certificateExpiresAt };
    return this.#add({ kind: "certificate", fingerprint, reason, revokedAt, ...expiry });
  }

  /** Whether a certificate was revoked. Says nothing about its device: ask {@linkcode deviceRevocation} too. */
  isRevoked(fingerprint: Fingerprint): boolean {
    return this.#certificates.has(fingerprint);
  }

  /** Why and when a certificate was revoked, if it was. */
  certificateRevocation(fingerprint: Fingerprint): CertificateRevocation | undefined {
    return this.#certificates.get(fingerprint);
  }

  /** Why and when a device was revoked, if it was. */
  deviceRevocation(deviceId: DeviceId): DeviceRevocation | undefined {
    return this.#devices.get(deviceId);
  }

  /** Lifts the revocation of a device that its operator removed, so that it may pair anew; its certificates stay out. */
  forgetDevice(deviceId: DeviceId): boolean {
    const known = this.#devices.delete(deviceId);
    if (known) this.#generation += 1;
    return known;
  }

  /** Forgets revoked certificates that have expired anyway, so that the index does not grow for ever. */
  forgetExpired(now: UnixMs): number {
    let forgotten = 0;
    for (const [fingerprint, { certificateExpiresAt }] of this.#certificates) {
      if (certificateExpiresAt === undefined || certificateExpiresAt >= now) continue;
      this.#certificates.delete(fingerprint);
      forgotten += 1;
    }
    if (forgotten > 0) this.#generation += 1;
    return forgotten;
  }

  /** Adds persisted entries, all of them; what is revoked already stays so. Listeners hear of each one that is new. */
  load(entries: Iterable<RevocationEntry>): void {
    const errors: unknown[] = [];
    for (const entry of entries) {
      if (this.#put(entry)) this.#tell(entry, errors);
    }
    throwListenerErrors(errors);
  }

  /** All entries, for persisting. */
  entries(): RevocationEntry[] {
    return [...this.#devices.values(), ...this.#certificates.values()];
  }

  /**
   * Calls `listener` synchronously at each new revocation, after the index has it. Returns the function that ends it.
   * A listener that throws keeps no other from being called; the errors are thrown together afterwards.
   */
  onRevoked(listener: RevocationListener): () => void {
    // Wrapped, so that one function subscribed twice is two subscriptions.
    const subscription: RevocationListener = (entry) => listener(entry);
    this.#listeners.add(subscription);
    return () => {
      this.#listeners.delete(subscription);
    };
  }

  #add(entry: RevocationEntry): boolean {
    const errors: unknown[] = [];
    const added = this.#put(entry);
    if (added) this.#tell(entry, errors);
    throwListenerErrors(errors);
    return added;
  }

  #put(entry: RevocationEntry): boolean {
    if (entry.kind === "device") {
      if (this.#devices.has(entry.deviceId)) return false;
      this.#devices.set(entry.deviceId, entry);
    } else {
      if (this.#certificates.has(entry.fingerprint)) return false;
      this.#certificates.set(entry.fingerprint, entry);
    }
    this.#generation += 1;
    return true;
  }

  #tell(entry: RevocationEntry, errors: unknown[]): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(entry);
      } catch (error) {
        errors.push(error);
      }
    }
  }
}

function throwListenerErrors(errors: readonly unknown[]): void {
  if (errors.length > 0) throw new AggregateError(errors, "a revocation listener failed; the revocation stands");
}
