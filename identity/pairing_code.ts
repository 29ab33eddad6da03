import { hkdfSync } from "node:crypto";
import { type CanonicalUlid, newUlid } from "./device_id.ts";
import { PalyraError } from "./palyra_error.ts";
import { QR_SECRET_BYTES } from "./qr_token.ts";
import { type RandomBytes, secureRandomBytes } from "./random_bytes.ts";

/** How a device shows that it holds a code: a MAC with a QR token's secret, or a PAKE with a PIN. */
export type PairingMethod = "qr" | "pin";

/** How long a code lives when nothing else is asked: 10 minutes, in milliseconds. */
export const DEFAULT_PAIRING_CODE_TTL_MS = 600_000;

/** The shortest life of a code, in milliseconds. */
export const MIN_PAIRING_CODE_TTL_MS = 30_000;

/** The longest life of a code, in milliseconds: one day. */
export const MAX_PAIRING_CODE_TTL_MS = 86_400_000;

/** Failed tries after which a code is dead. */
export const MAX_PAIRING_CODE_TRIES = 5;

const PIN_COUNT = 1_000_000;
const KEY_BYTES = 32;

/** A fresh QR code. Prints without secret and key. */
export class MintedQrCode {
  readonly codeId: CanonicalUlid;
  readonly method = "qr";
  readonly #secret: Uint8Array;

  constructor(codeId: CanonicalUlid, secret: Uint8Array) {
    this.codeId = codeId;
    this.#secret = secret;
  }

  /** What goes into the token, is shown once and is stored nowhere; 16 bytes. */
  get secret(): Uint8Array {
    return this.#secret;
  }

  /** What the daemon stores; 32 bytes. */
  get key(): Uint8Array {
    return deriveQrCodeKey(this.#secret, this.codeId);
  }
}

/** A fresh PIN. Prints without digits and key. */
export class MintedPin {
  readonly codeId: CanonicalUlid;
  readonly method = "pin";
  readonly #pin: string;

  constructor(codeId: CanonicalUlid, pin: string) {
    this.codeId = codeId;
    this.#pin = pin;
  }

  /** The six digits: shown once, stored nowhere. */
  get pin(): string {
    return this.#pin;
  }

  /** What the daemon stores; 32 bytes. Read {@linkcode derivePinPassword} on what that is worth. */
  get key(): Uint8Array {
    return derivePinPassword(this.#pin);
  }
}

/** Makes a QR code: a fresh id and 128 random bits. */
export function mintQrCode(random: RandomBytes = secureRandomBytes): MintedQrCode {
  return new MintedQrCode(newUlid(), random(QR_SECRET_BYTES));
}

/** Makes a PIN: a fresh id and six decimal digits, each of the million equally likely. */
export function mintPin(random: RandomBytes = secureRandomBytes): MintedPin {
  return new MintedPin(newUlid(), samplePin(random));
}

/** The key that proves a QR code's secret: HKDF-SHA256, salted with the code's id. */
export function deriveQrCodeKey(secret: Uint8Array, codeId: CanonicalUlid): Uint8Array {
  return new Uint8Array(hkdfSync("sha256", secret, codeId, "palyra-qr-code-key-v1", KEY_BYTES));
}

/**
 * The PAKE password of a PIN, 32 bytes: HKDF-SHA256 of its digits. The device derives the same, knowing nothing but
 * the digits, so there is no salt of its own. This is not a password hash: whoever reads the stored value finds the
 * six digits by trying all million. That is why it lies among the secrets, and is erased when the code is spent.
 */
export function derivePinPassword(pin: string): Uint8Array {
  return new Uint8Array(hkdfSync("sha256", pin, "palyra-pin-password-v1", "", KEY_BYTES));
}

/** Reads a typed PIN: six digits, spaces and hyphens between them ignored; throws `invalid_argument`. */
export function parsePin(text: string): string {
  const digits = text.replaceAll(/[\s-]/g, "");
  if (!/^[0-9]{6}$/.test(digits)) {
    throw new PalyraError(
      "invalid_argument",
      "A PIN has six digits; type them as palyrad shows them.",
    );
  }
  return digits;
}

/** Checks a code's life in milliseconds, undefined taking the default; throws `invalid_argument` out of 30 s to 24 h. */
export function parsePairingCodeTtl(ttlMs: number | undefined): number {
  if (ttlMs === undefined) return DEFAULT_PAIRING_CODE_TTL_MS;
  if (!Number.isSafeInteger(ttlMs) || ttlMs < MIN_PAIRING_CODE_TTL_MS || ttlMs > MAX_PAIRING_CODE_TTL_MS) {
    throw new PalyraError("invalid_argument", "A pairing code lives between 30 seconds and 24 hours.");
  }
  return ttlMs;
}

// Numbers above the last whole million are drawn again, so that no PIN is likelier than another.
function samplePin(random: RandomBytes): string {
  const limit = Math.floor(2 ** 32 / PIN_COUNT) * PIN_COUNT;
  const drawn = new DataView(new Uint8Array(random(4)).buffer).getUint32(0);
  return drawn < limit ? String(drawn % PIN_COUNT).padStart(6, "0") : samplePin(random);
}
