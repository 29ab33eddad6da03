import { createHash } from "node:crypto";
import type { CapabilityRequestRecord } from "../store/capability_request_record.ts";
import type { StoreTransaction } from "../store/store.ts";

/**
 * Writes the end of a request into the audit; to be called in the transaction that stores the end. Input and output are in
 * it as their SHA-256 only: enough to show later what was asked for and answered.
 */
export async function auditRequestEnd(tx: StoreTransaction, ended: CapabilityRequestRecord): Promise<void> {
  const { requestId, deviceId, capability, state, attempt, errorCode, outputJson } = ended;
  await tx.audit.append({
    kind: "request.ended",
    actor: ended.requestedBy,
    subject: requestId,
    details: {
      device_id: deviceId,
      capability,
      state,
      attempt,
      input_sha256: sha256Of(ended.inputJson),
      ...(outputJson !== undefined && { output_sha256: sha256Of(outputJson) }),
      ...(errorCode !== undefined && { error_code: errorCode }),
    },
  }, ended.completedAt ?? ended.updatedAt);
}

function sha256Of(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
