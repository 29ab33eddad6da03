import { DatabaseSync, type StatementSync } from "node:sqlite";
import type { CanonicalUlid } from "../../identity/device_id.ts";
import { isCanonicalUlid } from "../../identity/device_id.ts";
import type { ProgressCursor } from "../../daemon/store/request_progress_record.ts";
import { isRequestState, type RequestState } from "../../daemon/request_state.ts";

/** A request as it is on disk. */
export interface CommittedRequest {
  readonly requestId: CanonicalUlid;
  /** Its input: the model's number for it. */
  readonly number: number;
  readonly state: RequestState;
  readonly attempt: number;
  readonly instanceId: string | undefined;
  readonly journalId: string | undefined;
  readonly output: string | undefined;
}

/** What is committed in a daemon's database, by a connection of its own: what a crash at this moment would leave. */
export class CommittedStore implements Disposable {
  readonly #db: DatabaseSync;
  readonly #all: StatementSync;
  readonly #one: StatementSync;
  readonly #progress: StatementSync;

  constructor(path: string) {
    this.#db = new DatabaseSync(path, { readOnly: true });
    const columns = "SELECT request_id, state, attempt, instance_id, journal_id, input_json, output_json FROM requests";
    this.#all = this.#db.prepare(columns);
    this.#one = this.#db.prepare(`${columns} WHERE request_id = ?`);
    this.#progress = this.#db.prepare(
      "SELECT attempt, sequence FROM request_progress WHERE request_id = ? ORDER BY attempt, sequence",
    );
  }

  /** Every request. */
  all(): CommittedRequest[] {
    return this.#all.all().map(requestOf);
  }

  find(requestId: CanonicalUlid): CommittedRequest | undefined {
    const row = this.#one.get(requestId);
    return row && requestOf(row);
  }

  /** What is known of a request's progress, in order. */
  progressOf(requestId: CanonicalUlid): ProgressCursor[] {
    return this.#progress.all(requestId).map(({ attempt, sequence }) => ({
      attempt: Number(attempt),
      sequence: Number(sequence),
    }));
  }

  [Symbol.dispose](): void {
    this.#db.close();
  }
}

function requestOf(row: Record<string, unknown>): CommittedRequest {
  const { request_id: requestId, state, attempt, instance_id: instanceId, journal_id: journalId } = row;
  const text = (bytes: unknown) => bytes instanceof Uint8Array ? new TextDecoder().decode(bytes) : undefined;
  const ofText = (value: unknown) => typeof value === "string" ? value : undefined;
  if (
    typeof requestId !== "string" || !isCanonicalUlid(requestId) || typeof state !== "string" || !isRequestState(state)
  ) {
    throw new Error(`the store holds ${JSON.stringify(row)}`);
  }
  return {
    requestId,
    number: Number(text(row["input_json"])),
    state,
    attempt: Number(attempt),
    instanceId: ofText(instanceId),
    journalId: ofText(journalId),
    output: text(row["output_json"]),
  };
}
