import { join } from "node:path";
import type { SecretView } from "../../identity/secret_view.ts";
import { systemClock } from "../../identity/unix_ms.ts";
import type { Attempt } from "../../transport/program/doctor/attempt.ts";
import type { Check } from "../../transport/program/doctor/check.ts";
import { failed, type Finding, findingOf, ok, warning } from "../../transport/program/doctor/finding.ts";
import { relativeTime } from "../../transport/program/mod.ts";
import type { NodeHostRecord } from "../node_host_record.ts";
import { SECRET_NAMES } from "../node_secrets.ts";
import { parsePendingPairing } from "../pending_pairing.ts";

/** Whether this machine is paired, or waits for its approval. */
export function pairingCheck(secrets: SecretView, record: Attempt<NodeHostRecord | undefined>): Check {
  return { name: "pairing", examine: () => examine(secrets, record) };
}

async function examine(secrets: SecretView, record: Attempt<NodeHostRecord | undefined>): Promise<Finding> {
  if (record.failure !== undefined) return findingOf("failed", record.failure);
  const { value } = record;
  if (value?.pairedAt !== undefined) {
    const when = relativeTime(value.pairedAt, systemClock());
    return ok(`Paired ${when} as ${value.deviceName} (${value.deviceId}).`);
  }
  const pending = await secrets.read(SECRET_NAMES.pendingPairing);
  if (pending === undefined) {
    return failed(
      "not_paired",
      "This machine is not paired with a daemon.",
      "Run `palyra-node pair` with the token that `palyrad pairing code` shows there.",
    );
  }
  const { sessionId } = parsePendingPairing(pending, join(secrets.folder, SECRET_NAMES.pendingPairing));
  return warning(
    "not_paired",
    `The pairing ${sessionId} waits for its approval.`,
    `Have the operator run \`palyrad pairing approve ${sessionId}\`, then run \`palyra-node pair\` here.`,
  );
}
