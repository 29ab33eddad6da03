import type { UnixMs } from "../identity/unix_ms.ts";
import { type AuditAct, DAEMON_ACTOR } from "./audit/audit_act.ts";
import type { Store } from "./store/store.ts";

/** The id of the key that the secrets were sealed with when the daemon last started; empty for plain ones. */
const SEALING_KEY_FACT = "sealing_key_id";

/**
 * Records that the secrets were sealed, sealed with another key, or unsealed since the daemon last started: those are acts of
 * commands, or of somebody's hand, while no daemon runs.
 *
 * @param keyId of the key that they are sealed with; undefined where they lie in plain.
 */
export async function recordSealing(store: Store, keyId: string | undefined, at: UnixMs): Promise<void> {
  await store.transaction(async (tx) => {
    const before = await tx.facts.get(SEALING_KEY_FACT) ?? "";
    const now = keyId ?? "";
    if (now === before) return;
    await tx.facts.put(SEALING_KEY_FACT, now);
    await tx.audit.append(actOf(before, now), at);
  });
}

function actOf(before: string, now: string): AuditAct {
  if (before === "") return { kind: "secrets.sealed", actor: DAEMON_ACTOR, subject: now, details: {} };
  if (now === "") return { kind: "secrets.unsealed", actor: DAEMON_ACTOR, subject: before, details: {} };
  return { kind: "secrets.rekeyed", actor: DAEMON_ACTOR, subject: now, details: { previous_key_id: before } };
}
