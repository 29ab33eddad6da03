import { join } from "node:path";
import { parseCertificateFacts } from "../identity/certificate_facts.ts";
import { stateError } from "../identity/state_error.ts";
import type { UnixMs } from "../identity/unix_ms.ts";
import { type ConnectionStatus, readConnectionStatus } from "./connection_status.ts";
import { findNodeHostProcess, type NodeHostProcess } from "./node_host_process.ts";
import { type NodeHostRecord, readNodeHostRecord } from "./node_host_record.ts";
import { SECRET_NAMES, SECRETS_FOLDER } from "./node_host_state.ts";
import { parsePendingPairing, type PendingPairing } from "./pending_pairing.ts";

/** How this host stands, from what lies in its state folder. */
export interface StatusReport {
  readonly stateFolder: string;
  readonly record: NodeHostRecord | undefined;
  readonly pending: PendingPairing | undefined;
  /** The certificate's `notAfter`. */
  readonly certificateExpiresAt: UnixMs | undefined;
  /** The process that runs the host. */
  readonly process: NodeHostProcess | undefined;
  /** What that process last said, or the last one before it. */
  readonly connection: ConnectionStatus | undefined;
  readonly paired: boolean;
  /** The process is there and has its Welcome. */
  readonly connected: boolean;
}

/**
 * Looks at the state folder and changes nothing in it; it need not exist. Rejects with `state_damaged`,
 * `schema_too_new`, `permission_missing` or `state_read_only` (not readable).
 */
export async function readStatusReport(stateFolder: string): Promise<StatusReport> {
  const [record, pending, certificate, process, connection] = await Promise.all([
    readNodeHostRecord(stateFolder),
    readPending(stateFolder),
    readIfThere(join(stateFolder, SECRETS_FOLDER, SECRET_NAMES.clientCertificate)),
    findNodeHostProcess(stateFolder),
    readConnectionStatus(stateFolder),
  ]);
  const paired = record?.pairedAt !== undefined;
  return {
    stateFolder,
    record,
    pending,
    certificateExpiresAt: paired && certificate !== undefined ? expiryOf(certificate) : undefined,
    process,
    connection,
    paired,
    connected: paired && process !== undefined && connection?.state === "connected",
  };
}

async function readPending(stateFolder: string): Promise<PendingPairing | undefined> {
  const path = join(stateFolder, SECRETS_FOLDER, SECRET_NAMES.pendingPairing);
  const bytes = await readIfThere(path);
  return bytes === undefined ? undefined : parsePendingPairing(bytes, path);
}

function expiryOf(certificate: Uint8Array): UnixMs | undefined {
  try {
    return parseCertificateFacts(new TextDecoder().decode(certificate)).notAfter;
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
