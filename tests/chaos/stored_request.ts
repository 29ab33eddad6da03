import { DatabaseSync } from "node:sqlite";
import * as v from "valibot";
import { ChaosWork } from "./chaos_capability.ts";

const Row = v.object({
  request_id: v.string(),
  state: v.string(),
  attempt: v.number(),
  created_at: v.number(),
  deadline: v.number(),
  dispatched_at: v.nullable(v.number()),
  completed_at: v.nullable(v.number()),
  error_code: v.nullable(v.string()),
  input_json: v.instance(Uint8Array),
});

/** A request as the daemon's store has it: the other side of the account. */
export interface StoredRequest {
  /** From its input. */
  readonly number: number;
  readonly requestId: string;
  readonly state: string;
  /** 0 when it was never dispatched. */
  readonly attempt: number;
  readonly createdAt: number;
  readonly deadline: number;
  /** When its newest attempt was dispatched. */
  readonly dispatchedAt: number | undefined;
  readonly completedAt: number | undefined;
  readonly errorCode: string | undefined;
}

/** Every request in the database at `path`, which no daemon holds. It is read past the daemon's own code. */
export function storedRequests(path: string): StoredRequest[] {
  const db = new DatabaseSync(path, { readOnly: true });
  try {
    const rows = db.prepare(
      "SELECT request_id, state, attempt, created_at, deadline, dispatched_at, completed_at, error_code, input_json FROM requests",
    ).all();
    return rows.map((row) => {
      const parsed = v.parse(Row, row);
      return {
        number: v.parse(ChaosWork, JSON.parse(new TextDecoder().decode(parsed.input_json))).number,
        requestId: parsed.request_id,
        state: parsed.state,
        attempt: parsed.attempt,
        createdAt: parsed.created_at,
        deadline: parsed.deadline,
        dispatchedAt: parsed.dispatched_at ?? undefined,
        completedAt: parsed.completed_at ?? undefined,
        errorCode: parsed.error_code ?? undefined,
      };
    });
  } finally {
    db.close();
  }
}
