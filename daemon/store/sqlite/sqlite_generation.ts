import type { DatabaseSync, StatementSync } from "node:sqlite";
import { GENERATION_FACT } from "../fact_table.ts";
import { text } from "./sqlite_row.ts";

/** Raises the generation of the state, within the work that runs. */
export class SqliteGeneration {
  readonly #raise: StatementSync;
  #raised: number | undefined;

  constructor(db: DatabaseSync) {
    this.#raise = db.prepare(`
      INSERT INTO facts (name, value) VALUES ('${GENERATION_FACT}', '1')
      ON CONFLICT (name) DO UPDATE SET value = CAST(CAST(value AS INTEGER) + 1 AS TEXT)
      RETURNING value`);
  }

  raise(): void {
    const row = this.#raise.get();
    if (row !== undefined) this.#raised = Number(text(row, "value"));
  }

  /** What it was raised to since this was last asked; undefined when it was not. */
  takeRaised(): number | undefined {
    const raised = this.#raised;
    this.#raised = undefined;
    return raised;
  }
}
