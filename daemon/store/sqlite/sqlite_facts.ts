import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { FactTable } from "../fact_table.ts";
import { text } from "./sqlite_row.ts";

/** {@linkcode FactTable} on SQLite. */
export class SqliteFacts implements FactTable {
  readonly #get: StatementSync;
  readonly #put: StatementSync;

  constructor(db: DatabaseSync) {
    this.#get = db.prepare("SELECT value FROM facts WHERE name = ?");
    this.#put = db.prepare(
      "INSERT INTO facts (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
    );
  }

  async get(name: string): Promise<string | undefined> {
    const row = this.#get.get(name);
    return await Promise.resolve(row && text(row, "value"));
  }

  async put(name: string, value: string): Promise<void> {
    this.#put.run(name, value);
    await Promise.resolve();
  }
}
