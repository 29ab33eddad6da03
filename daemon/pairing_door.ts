import { getLogger } from "@logtape/logtape";
import type { CanonicalUlid } from "../identity/device_id.ts";
import type { IdentityManager } from "../identity/identity_manager.ts";
import { PalyraError } from "../identity/palyra_error.ts";
import { sourceOf } from "../identity/source_address.ts";
import { SourceRateLimit } from "../identity/source_rate_limit.ts";
import type { Clock } from "../identity/unix_ms.ts";
import { isLoopbackHost } from "./loopback_host.ts";
import type { HeldCode } from "./pairing_code_book.ts";
import type { PairingCodeRecord } from "./store/pairing_record.ts";

const log = getLogger(["palyra", "daemon", "pairing"]);

/** Tries of a PIN that led to nothing, which one source may make in {@linkcode PIN_FAILURE_WINDOW_MS}. */
export const MAX_PIN_FAILURES_PER_SOURCE = 10;

/** The sliding window of failed PIN tries, in milliseconds: ten minutes. */
export const PIN_FAILURE_WINDOW_MS = 600_000;

const MAX_REMEMBERED_SOURCES = 4_096;

/**
 * Who may begin to pair now, judged before anything is looked up. Whoever guesses PINs is turned away for a while, so
 * that the owner's next PIN does not die of the same guesses. Whoever names a live QR code holds its token, and is let in
 * however much is begun from the same address.
 */
export class PairingDoor {
  readonly #identity: IdentityManager;
  readonly #failures: SourceRateLimit;
  /** Bounded by how many may be live; those of an earlier run of the daemon are not among them. */
  readonly #liveQrCodes = new Set<CanonicalUlid>();

  constructor({ identity, clock }: { readonly identity: IdentityManager; readonly clock: Clock }) {
    this.#identity = identity;
    this.#failures = new SourceRateLimit({
      starts: MAX_PIN_FAILURES_PER_SOURCE,
      windowMs: PIN_FAILURE_WINDOW_MS,
      sources: MAX_REMEMBERED_SOURCES,
    }, clock);
  }

  /** Throws `rate_limited` when this address (without its port) has begun too often, or guessed too many PINs. */
  enter(held: HeldCode, address: string): void {
    if (held.method === "qr" && this.#liveQrCodes.has(held.codeId)) return;
    if (held.method === "pin" && this.#failures.isSpent(sourceOf(address))) {
      throw new PalyraError(
        "rate_limited",
        "Too many tries of a PIN from this address have failed. Try again in ten minutes, or pair by a QR token, which " +
          "nobody can guess: `palyrad pairing code`.",
      );
    }
    this.#identity.countStart(address);
  }

  /** A try of a PIN by this address led to nothing. */
  pinFailed(address: string): void {
    const source = sourceOf(address);
    if (!this.#failures.tryStart(source) || !this.#failures.isSpent(source)) return;
    log.warn("An address has failed at too many PINs and may try none for a while.", {
      source,
      windowMs: PIN_FAILURE_WINDOW_MS,
    });
  }

  /** The codes that are live now, after one was made. */
  setLive(codes: readonly PairingCodeRecord[]): void {
    this.#liveQrCodes.clear();
    for (const { method, codeId } of codes) if (method === "qr") this.#liveQrCodes.add(codeId);
  }

  /** A code is spent or dead. */
  ended(codeId: CanonicalUlid): void {
    this.#liveQrCodes.delete(codeId);
  }
}

/** The address that limits count by: without its port, which is another one for each connection; all of loopback is one. */
export function limitedAddress(remoteAddress: string): string {
  return isLoopbackHost(remoteAddress) ? "127.0.0.1" : remoteAddress.replace(/:\d+$/, "");
}
