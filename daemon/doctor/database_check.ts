import type { Attempt } from "../../transport/program/doctor/attempt.ts";
import { causeAndCure } from "../../transport/program/doctor/cause_and_cure.ts";
import type { Check } from "../../transport/program/doctor/check.ts";
import { failed, type Finding, findingOf, ok, skipped, skippedFor } from "../../transport/program/doctor/finding.ts";
import { MIGRATIONS } from "../store/sqlite/migrations.ts";
import type { DatabaseContent } from "./state_database.ts";

const MIB = 1024 * 1024;

/** Whether the state database can be read, is whole, and is of a version that is known. */
export function databaseCheck(database: Attempt<DatabaseContent | undefined>, path: string): Check {
  const examine = (): Finding => {
    const { value, failure } = database;
    if (failure?.code === "unsupported") {
      const { cause, cure } = causeAndCure(failure.message);
      return skipped(cause, cure);
    }
    if (failure !== undefined) return findingOf("failed", failure);
    if (value === undefined) return skippedFor("state_folder");
    if (value.damage !== undefined) {
      return failed(
        "state_damaged",
        `SQLite finds the state database damaged: ${value.damage}`,
        `Stop palyrad, keep a copy of ${path} and restore a backup.`,
      );
    }
    const size = value.bytes < MIB ? "less than 1 MiB" : `${Math.round(value.bytes / MIB)} MiB`;
    if (!value.wasChecked) {
      return skipped(
        `The state database can be read; its ${size} are too many to be gone through here.`,
        `Run \`sqlite3 '${path}' 'PRAGMA quick_check'\` for that.`,
      );
    }
    const older = value.schema < MIGRATIONS.length ? `, which the next start brings to ${MIGRATIONS.length}` : "";
    return ok(`The state database is whole, ${size}, schema ${value.schema}${older}.`);
  };
  return { name: "database", examine };
}
