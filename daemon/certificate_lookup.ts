import { PalyraError } from "../identity/palyra_error.ts";
import type { DeviceRegistry } from "./device_registry.ts";
import type { CertificateRecord } from "./store/device_record.ts";

/** The fewest hex digits by which a certificate may be called; fewer are too easily mistyped into another one's. */
export const MIN_FINGERPRINT_DIGITS = 8;

/**
 * The certificate that an operator means: its SHA-256 in hex, in either case, with or without colons and spaces, or the
 * beginning of it. Throws `invalid_argument` when that is too short or means several, `certificate_not_found` when there
 * is none.
 */
export function findCertificate(devices: DeviceRegistry, text: string): CertificateRecord {
  const digits = text.replaceAll(/[\s:]/g, "").toLowerCase();
  if (!/^[0-9a-f]{8,64}$/.test(digits)) {
    throw new PalyraError(
      "invalid_argument",
      `A certificate is called by its fingerprint, or by at least the first ${MIN_FINGERPRINT_DIGITS} hex digits of it. ` +
        "`palyrad devices show DEVICE` has them.",
    );
  }
  const [certificate, another] = devices.certificatesBeginningWith(digits);
  if (certificate === undefined) throw certificateNotFound();
  if (another === undefined) return certificate;
  throw new PalyraError(
    "invalid_argument",
    "Several certificates have fingerprints that begin so. Give more digits of it.",
  );
}

/** This daemon never issued it, or has forgotten it. */
export function certificateNotFound(): PalyraError {
  return new PalyraError(
    "certificate_not_found",
    "There is no certificate with that fingerprint. `palyrad devices show DEVICE` has the fingerprints of each device.",
  );
}
