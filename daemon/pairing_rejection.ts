import type { UnixMs } from "../identity/unix_ms.ts";
import type { PairingRequestRecord } from "./store/pairing_record.ts";
import type { StoreTransaction } from "./store/store.ts";

/** Stores a pairing request that is `rejected` now, as `actor` decided. */
export async function rejectPairing(
  tx: StoreTransaction,
  rejected: PairingRequestRecord,
  actor: string,
  at: UnixMs,
): Promise<void> {
  await tx.pairing.updateRequest(rejected);
  const details = { device_id: rejected.deviceId, reason: rejected.decisionReason ?? "" };
  await tx.audit.append({ kind: "pairing.rejected", actor, subject: rejected.requestId, details }, at);
}
