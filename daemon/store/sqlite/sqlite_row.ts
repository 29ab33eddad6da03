import type { SQLOutputValue } from "node:sqlite";
import { PalyraError } from "../../../identity/palyra_error.ts";
import { type UnixMs, unixMs } from "../../../identity/unix_ms.ts";
import { type JsonObject, parseJsonObject } from "../../json_object.ts";

/** A row as the driver hands it out: checked column by column, so that a foreign or damaged file is noticed. */
export type SqliteRow = Record<string, SQLOutputValue>;

function damaged(column: string): PalyraError {
  return new PalyraError(
    "state_damaged",
    `The state database holds an unexpected value in column ${column}. Restore the state folder from a backup.`,
  );
}

/** A TEXT column. */
export function text(row: SqliteRow, column: string): string {
  const value = row[column];
  if (typeof value !== "string") throw damaged(column);
  return value;
}

/** A TEXT column that may be NULL. */
export function optionalText(row: SqliteRow, column: string): string | undefined {
  return row[column] === null ? undefined : text(row, column);
}

/** A TEXT column that holds one of `allowed`. */
export function oneOf<T extends string>(row: SqliteRow, column: string, allowed: readonly T[]): T {
  const value = text(row, column);
  const known = allowed.find((candidate) => candidate === value);
  if (known === undefined) throw damaged(column);
  return known;
}

/** A TEXT column that holds one of `allowed` or NULL. */
export function optionalOneOf<T extends string>(
  row: SqliteRow,
  column: string,
  allowed: readonly T[],
): T | undefined {
  return row[column] === null ? undefined : oneOf(row, column, allowed);
}

/** An INTEGER column. */
export function integer(row: SqliteRow, column: string): number {
  const value = row[column];
  if (typeof value !== "number") throw damaged(column);
  return value;
}

/** An INTEGER column that may be NULL. */
export function optionalInteger(row: SqliteRow, column: string): number | undefined {
  return row[column] === null ? undefined : integer(row, column);
}

/** An INTEGER column that holds a time. */
export function time(row: SqliteRow, column: string): UnixMs {
  return unixMs(integer(row, column));
}

/** An INTEGER column that holds a time or NULL. */
export function optionalTime(row: SqliteRow, column: string): UnixMs | undefined {
  return row[column] === null ? undefined : time(row, column);
}

/** A BLOB column. */
export function bytes(row: SqliteRow, column: string): Uint8Array {
  const value = row[column];
  if (!(value instanceof Uint8Array)) throw damaged(column);
  return value;
}

/** A BLOB column that may be NULL. */
export function optionalBytes(row: SqliteRow, column: string): Uint8Array | undefined {
  return row[column] === null ? undefined : bytes(row, column);
}

/** A TEXT column that holds a JSON array of strings. */
export function textList(row: SqliteRow, column: string): string[] {
  const value: unknown = JSON.parse(text(row, column));
  if (!Array.isArray(value) || !value.every((item) => typeof item === "string")) throw damaged(column);
  return value;
}

/** A TEXT column that holds a JSON object. */
export function jsonObject(row: SqliteRow, column: string): JsonObject {
  const value = parseJsonObject(text(row, column));
  if (value === undefined) throw damaged(column);
  return value;
}

/** The object without its undefined members, as `exactOptionalPropertyTypes` wants optional ones. */
export function present<T extends object>(members: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };
}
