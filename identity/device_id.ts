import { monotonicFactory, ulid } from "ulid";
import { PalyraError } from "./palyra_error.ts";

/** A device's name for life: a ULID, 26 characters of upper-case Crockford base32. */
export type DeviceId = string & { readonly __brand: "DeviceId" };

/** A ULID that names anything but a device (a request, a session, a code). */
export type CanonicalUlid = string & { readonly __brand: "CanonicalUlid" };

// The first character is at most 7: 26 × 5 bits would overflow 128 bits otherwise.
const CANONICAL_ULID = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/;

/** Whether `text` is a ULID in canonical (upper-case, unpadded) form. */
export function isCanonicalUlid(text: string): text is CanonicalUlid {
  return CANONICAL_ULID.test(text);
}

/** Parses a device id from a peer or a person; throws `invalid_device_id`. */
export function parseDeviceId(text: string): DeviceId {
  if (!CANONICAL_ULID.test(text)) {
    throw new PalyraError(
      "invalid_device_id",
      "The device id is not a ULID of 26 upper-case Crockford base32 characters; take it from `palyrad devices list`.",
    );
  }
  return text as DeviceId;
}

/** A fresh device id. */
export function newDeviceId(): DeviceId {
  return ulid() as DeviceId;
}

const nextUlid = monotonicFactory();

/** A fresh ULID for anything else; later ones of this process sort after earlier ones. It is a name, never a secret. */
export function newUlid(): CanonicalUlid {
  return nextUlid() as CanonicalUlid;
}
