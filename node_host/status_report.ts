import { join } from "node:path";
import { type CertificateFacts, parseCertificateFacts } from "../identity/certificate_facts.ts";
import { stateError } from "../identity/state_error.ts";
import type { UnixMs } from "../identity/unix_ms.ts";
import { type ConnectionStatus, readConnectionStatus } from "./connection_status.ts";
import { type JournalSummary, readJournalSummary } from "./journal/mod.ts";
import { findNodeHostProcess, type NodeHostProcess } from "./node_host_process.ts";
import { type NodeHostRecord, readNodeHostRecord } from "./node_host_record.ts";
import { SECRET_NAMES, SECRETS_FOLDER } from "./node_secrets.ts";
import { parsePendingPairing, type PendingPairing } from "./pending_pairing.ts";
import { renewalDueAt } from "./renewal_schedule.ts";

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
  const [record, pending, certificate, process, connection, journal] = await Promise.all([
    readNodeHostRecord(stateFolder),
    readPending(stateFolder),
    readCertificate(stateFolder),
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

async function readPending(stateFolder: string): Promise<PendingPairing | undefined> {
  const path = join(stateFolder, SECRETS_FOLDER, SECRET_NAMES.pendingPairing);
  const bytes = await readIfThere(path);
  return bytes === undefined ? undefined : parsePendingPairing(bytes, path);
}

async function readCertificate(stateFolder: string): Promise<Uint8Array | undefined> {
  const secret = (name: string) => readIfThere(join(stateFolder, SECRETS_FOLDER, name));
  // There only after a crash during a switch, which the next start finishes.
  return await secret(SECRET_NAMES.nextKeyPair) ?? await secret(SECRET_NAMES.clientCertificate);
}

function factsOf(certificate: Uint8Array): CertificateFacts | undefined {
  try {
    return parseCertificateFacts(new TextDecoder().decode(certificate));
  } catch {
    // `run` says what is wrong with it and what to do.
    return undefined;
  }
}

/** Past the secret store, which makes, tightens and tidies its folder when it is opened. */
async function readIfThere(path: string): Promise<Uint8Array | undefined> {
  try {
    return await Deno.readFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw stateError(error, path);
  }
}
