import { join } from "node:path";
import { type CertificateFacts, parseCertificateFacts } from "../identity/certificate_facts.ts";
import { PalyraError } from "../identity/palyra_error.ts";
import type { ReasonCode } from "../identity/reason_code.ts";
import { SecretView } from "../identity/secret_view.ts";
import type { UnixMs } from "../identity/unix_ms.ts";
import { type ConnectionStatus, readConnectionStatus } from "./connection_status.ts";
import { type JournalSummary, readJournalSummary } from "./journal/mod.ts";
import { findNodeHostProcess, type NodeHostProcess } from "./node_host_process.ts";
import { type NodeHostRecord, readNodeHostRecord } from "./node_host_record.ts";
import { SECRET_NAMES, SECRETS_FOLDER } from "./node_secrets.ts";
import { parsePendingPairing, type PendingPairing } from "./pending_pairing.ts";
import { renewalDueAt } from "./renewal_schedule.ts";

const UNOPENED: ReadonlySet<ReasonCode> = new Set([
  "secret_not_sealed",
  "sealing_key_missing",
  "sealing_key_wrong",
  "sealing_unfinished",
]);

/** How this host stands, from what lies in its state folder. */
export interface StatusReport {
  readonly stateFolder: string;
  readonly record: NodeHostRecord | undefined;
  readonly pending: PendingPairing | undefined;
  /** The certificate's `notAfter`. */
  readonly certificateExpiresAt: UnixMs | undefined;
  /** When a running host renews the certificate. */
  readonly certificateRenewsAt: UnixMs | undefined;
  /** The process that runs the host. */
  readonly process: NodeHostProcess | undefined;
  /** What that process last said, or the last one before it. */
  readonly connection: ConnectionStatus | undefined;
  readonly paired: boolean;
  /** The process is there and has its Welcome. */
  readonly connected: boolean;
  /** What the journal holds; undefined when this host never ran. */
  readonly journal?: JournalSummary | undefined;
}

/**
 * Looks at the state folder and changes nothing in it; it need not exist. Rejects with `state_damaged`,
 * `schema_too_new`, `permission_missing` or `state_read_only` (not readable).
 */
export async function readStatusReport(stateFolder: string): Promise<StatusReport> {
  const secrets = new SecretView(join(stateFolder, SECRETS_FOLDER));
  const [record, pending, certificate, process, connection, journal] = await Promise.all([
    readNodeHostRecord(stateFolder),
    readPending(secrets),
    readCertificate(secrets),
    findNodeHostProcess(stateFolder),
    readConnectionStatus(stateFolder),
    readJournalSummary(stateFolder),
  ]);
  const paired = record?.pairedAt !== undefined;
  const facts = paired && certificate !== undefined ? factsOf(certificate) : undefined;
  return {
    stateFolder,
    record,
    pending,
    certificateExpiresAt: facts?.notAfter,
    certificateRenewsAt: facts === undefined ? undefined : renewalDueAt(facts),
    process,
    connection,
    paired,
    connected: paired && process !== undefined && connection?.state === "connected",
    journal,
  };
}

async function readPending(secrets: SecretView): Promise<PendingPairing | undefined> {
  const bytes = await readIfOpen(secrets, SECRET_NAMES.pendingPairing);
  return bytes && parsePendingPairing(bytes, join(secrets.folder, SECRET_NAMES.pendingPairing));
}

async function readCertificate(secrets: SecretView): Promise<Uint8Array | undefined> {
  // There only after a crash during a switch, which the next start finishes.
  return await readIfOpen(secrets, SECRET_NAMES.nextKeyPair) ??
    await readIfOpen(secrets, SECRET_NAMES.clientCertificate);
}

function factsOf(certificate: Uint8Array): CertificateFacts | undefined {
  try {
    return parseCertificateFacts(new TextDecoder().decode(certificate));
  } catch {
    // `run` says what is wrong with it and what to do.
    return undefined;
  }
}

/** How this host stands can be told without the sealing key, too: only what is sealed is not known then. */
async function readIfOpen(secrets: SecretView, name: string): Promise<Uint8Array | undefined> {
  try {
    return await secrets.read(name);
  } catch (error) {
    if (error instanceof PalyraError && UNOPENED.has(error.code)) return undefined;
    throw error;
  }
}
