import type { DeviceId } from "../identity/device_id.ts";
import type { Fingerprint } from "../identity/fingerprint.ts";

/** Which CAs each device has said that it trusts, since the daemon started. */
export class TrustedAuthorities {
  readonly #said = new Map<DeviceId, ReadonlySet<Fingerprint>>();

  /** A device said all that it trusts. */
  put(deviceId: DeviceId, authorities: readonly Fingerprint[]): void {
    this.#said.set(deviceId, new Set(authorities));
  }

  /** Whether the device has said that it trusts that CA. */
  has(deviceId: DeviceId, authority: Fingerprint): boolean {
    return this.#said.get(deviceId)?.has(authority) ?? false;
  }

  /** The device was removed. */
  forget(deviceId: DeviceId): void {
    this.#said.delete(deviceId);
  }
}
