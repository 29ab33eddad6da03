import { join } from "node:path";
import { getLogger } from "@logtape/logtape";
import * as v from "valibot";
import { isReasonCode, type ReasonCode } from "../identity/reason_code.ts";
import type { UnixMs } from "../identity/unix_ms.ts";
import { readStateDocument, removeStateDocument, writeStateDocument } from "./state_document.ts";
import { EndpointText, Moment, SchemaVersion, ShownText } from "./state_fields.ts";
import { TRANSPORT_REASONS, type TransportChoice } from "./transport_choice.ts";

const logger = getLogger(["palyra", "node_host", "status"]);

/** The states of a running host's connection, in the order of its life. */
export const CONNECTION_STATES = ["connecting", "connected", "recovering", "waiting", "stopping"] as const;

/**
 * How a running host stands to its daemon. `recovering`: it gets another certificate by its device key. `waiting` is the time
 * between two tries.
 */
export type ConnectionState = typeof CONNECTION_STATES[number];

/** A failure as `status` shows it. */
export interface ConnectionFailure {
  readonly code: ReasonCode;
  readonly message: string;
}

/** Why the certificate in use could not be renewed yet, as `status` shows it. */
export interface RenewalFailure extends ConnectionFailure {
  readonly nextTryAt: UnixMs;
}

/** What a running host says of its connection. */
export interface ConnectionStatus {
  readonly state: ConnectionState;
  /** Over what the session runs, or the last one ran, and why; undefined before the first. */
  readonly choice: TransportChoice | undefined;
  /** Where to; undefined before the first try. */
  readonly daemonEndpoint: string | undefined;
  /** Since when it is in this state. */
  readonly since: UnixMs;
  /** Of the session; only while connected. */
  readonly epoch: number | undefined;
  /** Why the last try or session ended; undefined when none has failed since the connection was made. */
  readonly lastFailure: ConnectionFailure | undefined;
  /** When it tries again; only while waiting. */
  readonly nextTryAt: UnixMs | undefined;
  /** Why the last renewal of the certificate failed; undefined when none has failed since the last success. */
  readonly renewalFailure?: RenewalFailure | undefined;
}

const StatusSchema = v.object({
  schema_version: SchemaVersion,
  state: v.picklist(CONNECTION_STATES),
  transport: v.nullable(v.picklist(["grpc", "quic"])),
  transport_reason: v.optional(v.nullable(v.picklist(TRANSPORT_REASONS))),
  transport_explanation: v.optional(v.nullable(ShownText)),
  daemon_endpoint: v.nullable(EndpointText),
  since_unix_ms: Moment,
  epoch: v.nullable(v.pipe(v.number(), v.safeInteger())),
  last_error: v.nullable(v.object({ code: v.string(), message: ShownText })),
  next_retry_unix_ms: v.nullable(Moment),
  renewal_error: v.optional(v.nullable(v.object({ code: v.string(), message: ShownText, next_retry_unix_ms: Moment }))),
});

/** What the host last wrote; undefined when it never did. Only worth something while its process runs. */
export async function readConnectionStatus(folder: string): Promise<ConnectionStatus | undefined> {
  const stored = await readStateDocument(statusPath(folder), StatusSchema);
  if (stored === undefined) return undefined;
  const { last_error: failure, renewal_error: renewalFailure } = stored;
  return {
    state: stored.state,
    choice: choiceOf(stored),
    daemonEndpoint: stored.daemon_endpoint ?? undefined,
    since: stored.since_unix_ms,
    epoch: stored.epoch ?? undefined,
    lastFailure: failure === null ? undefined : failureOf(failure),
    nextTryAt: stored.next_retry_unix_ms ?? undefined,
    renewalFailure: renewalFailure === null || renewalFailure === undefined
      ? undefined
      : { ...failureOf(renewalFailure), nextTryAt: renewalFailure.next_retry_unix_ms },
  };
}

/** A file from before there was a choice has no reason. */
function choiceOf(stored: v.InferOutput<typeof StatusSchema>): TransportChoice | undefined {
  const { transport, transport_reason: reason, transport_explanation: explanation } = stored;
  return transport === null || !reason || !explanation ? undefined : { transport, reason, explanation };
}

function failureOf({ code, message }: { readonly code: string; readonly message: string }): ConnectionFailure {
  return { code: isReasonCode(code) ? code : "internal", message };
}

/**
 * Keeps `node-host-status.json` up to date. The newest status is always the last one written; ones that were overtaken
 * while the disk was busy are left out. A disk that takes nothing is logged and does not stop the host.
 */
export class ConnectionStatusFile {
  readonly #path: string;
  #next: ConnectionStatus | undefined;
  #writing: Promise<void> | undefined;

  constructor(folder: string) {
    this.#path = statusPath(folder);
  }

  /** Has a status written soon. */
  put(status: ConnectionStatus): void {
    this.#next = status;
    this.#writing ??= this.#write();
  }

  /** Resolves when the newest status is on the disk, or could not be written. */
  async flush(): Promise<void> {
    await this.#writing;
  }

  async #write(): Promise<void> {
    for (let status = this.#take(); status !== undefined; status = this.#take()) {
      try {
        // deno-lint-ignore no-await-in-loop -- one write at a time, so that the newest is the last
        await writeStateDocument(this.#path, fieldsOf(status));
      } catch (error) {
        logger.warning("The status file could not be written, so `palyra-node status` may be out of date.", { error });
      }
    }
    this.#writing = undefined;
  }

  #take(): ConnectionStatus | undefined {
    const status = this.#next;
    this.#next = undefined;
    return status;
  }
}

/** Removes what a host wrote that served another pairing. */
export async function removeConnectionStatus(folder: string): Promise<void> {
  await removeStateDocument(statusPath(folder));
}

/** Where the status lies in a state folder. */
export function statusPath(folder: string): string {
  return join(folder, "node-host-status.json");
}

function fieldsOf(status: ConnectionStatus): Readonly<Record<string, unknown>> {
  const { choice, lastFailure, renewalFailure } = status;
  return {
    state: status.state,
    transport: choice?.transport ?? null,
    transport_reason: choice?.reason ?? null,
    transport_explanation: choice?.explanation.slice(0, MAX_MESSAGE_CHARACTERS) ?? null,
    daemon_endpoint: status.daemonEndpoint ?? null,
    since_unix_ms: status.since,
    epoch: status.epoch ?? null,
    last_error: lastFailure === undefined ? null : failureFields(lastFailure),
    next_retry_unix_ms: status.nextTryAt ?? null,
    renewal_error: renewalFailure === undefined
      ? null
      : { ...failureFields(renewalFailure), next_retry_unix_ms: renewalFailure.nextTryAt },
  };
}

function failureFields({ code, message }: ConnectionFailure) {
  return { code, message: message.slice(0, MAX_MESSAGE_CHARACTERS) };
}

const MAX_MESSAGE_CHARACTERS = 2_000;
