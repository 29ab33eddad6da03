/** What kind of failure SQLite reports: `full`, `read_only` and `locked` may pass, `damaged` does not. */
export type SqliteFailure = "full" | "read_only" | "locked" | "damaged" | "other";

// Deno's node:sqlite gives every failure one code and tells them apart by SQLite's own fixed texts alone.
const KINDS: readonly (readonly [RegExp, SqliteFailure])[] = [
  [/database or disk is full/, "full"],
  // An I/O error is what a file system says that was turned read-only while it was in use.
  [/readonly database|unable to open database file|disk I\/O error/, "read_only"],
  [/database (table )?is locked/, "locked"],
  [/not a database|malformed/, "damaged"],
];

/** How SQLite failed; undefined when `cause` is no failure of SQLite's. */
export function sqliteFailureOf(cause: unknown): SqliteFailure | undefined {
  if (!(cause instanceof Error && "code" in cause && cause.code === "ERR_SQLITE_ERROR")) return undefined;
  return KINDS.find(([text]) => text.test(cause.message))?.[1] ?? "other";
}
