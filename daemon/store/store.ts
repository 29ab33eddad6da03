import type { DeviceId } from "../../identity/device_id.ts";
import type { AuditHead, AuditTable } from "./audit_record.ts";
import type { RequestTable } from "./capability_request_record.ts";
import type { DeviceEventTable } from "./device_event_record.ts";
import type { DeviceTable } from "./device_record.ts";
import type { FactTable } from "./fact_table.ts";
import type { PairingTable } from "./pairing_record.ts";
import type { RecoveryTable } from "./recovery_record.ts";
import type { ProgressTable } from "./request_progress_record.ts";
import type { NodeTable } from "./registered_node_record.ts";

/** The tables, as one transaction sees them. Valid until the work it was given to has settled. */
export interface StoreTransaction {
  readonly facts: FactTable;
  readonly pairing: PairingTable;
  readonly devices: DeviceTable;
  readonly recoveries: RecoveryTable;
  readonly events: DeviceEventTable;
  readonly nodes: NodeTable;
  readonly requests: RequestTable;
  readonly progress: ProgressTable;
  readonly audit: AuditTable;
}

/** How a transaction is to be run. */
export interface TransactionOptions {
  /**
   * Nobody waits for this work: it may be held back for up to so many milliseconds, to share the commit of the next
   * one. Works still run in the order in which they came.
   *
   * @default {0}
   */
  readonly patienceMs?: number;
}

/**
 * The daemon's durable state.
 *
 * A driver runs each work atomically and isolated from the others. It may join several works into one commit, so a
 * work must wait for nothing but its transaction: no network, no timer, no other work.
 */
export interface Store {
  /**
   * Runs `work` and resolves with its result once everything it wrote is on disk. When `work` rejects, nothing it
   * wrote is kept and its rejection is passed on. A commit that fails rejects with `state_read_only` or
   * `state_damaged`, and nothing is kept.
   */
  transaction<T>(work: (tx: StoreTransaction) => Promise<T>, options?: TransactionOptions): Promise<T>;
  /** Commits since the start. */
  readonly commitCount: number;
  /**
   * Calls `listener` with the device after each commit that holds new events of it, before the work's own promise
   * resolves. It is a hint to read them, and must not throw. Returns the function that ends it.
   */
  onDeviceEvents(listener: (deviceId: DeviceId) => void): () => void;
  /**
   * Calls `listener` with the newest record of the audit after each commit of a work that appended some, before the
   * work's own promise resolves. It must not throw. Returns the function that ends it.
   */
  onAuditRecords(listener: (head: AuditHead) => void): () => void;
  /**
   * Calls `listener` with the generation of the state after each commit of a work that raised it (`raisesGeneration`),
   * before the work's own promise resolves. It must not throw. Returns the function that ends it.
   */
  onGeneration(listener: (generation: number) => void): () => void;
  /** Commits what is under way and closes. */
  close(): Promise<void>;
}
