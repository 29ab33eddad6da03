import { PalyraError } from "../identity/palyra_error.ts";

/** Why certificates are revoked that a later one of the same device has taken the place of. */
export const SUPERSEDED_REASON = "superseded";

/** Why a peer with a revoked certificate is refused, by the reason of the revocation; its device may well be paired still. */
export function certificateRefusal(revokedReason: string): PalyraError {
  if (revokedReason === SUPERSEDED_REASON) {
    return new PalyraError(
      "certificate_superseded",
      "The device has used a later certificate than this one. If its state was restored from a backup, it comes back by " +
        "its device key; if another machine has a copy of it, unpair one of the two.",
    );
  }
  return new PalyraError(
    "certificate_revoked",
    "This certificate was revoked by the daemon's operator. Its device is paired still: it may come back by its device " +
      "key, or be paired again.",
  );
}
