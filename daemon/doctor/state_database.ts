import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import * as v from "valibot";
import { PalyraError } from "../../identity/palyra_error.ts";
import { stateError } from "../../identity/state_error.ts";
import type { UnixMs } from "../../identity/unix_ms.ts";
import { attempt } from "../../transport/program/doctor/attempt.ts";
import { GENERATION_FACT, STATE_ID_FACT } from "../store/fact_table.ts";
import { MIGRATIONS } from "../store/sqlite/migrations.ts";

/** A database that is larger is not gone through, in bytes: it would take too long. */
export const MAX_EXAMINED_BYTES: number = 256 * 1024 * 1024;

/** How long another process may keep the database locked, in milliseconds. */
const BUSY_MS = 2_000;

/** A paired device that is not the daemon's own operator. */
export interface PairedDevice {
  readonly name: string;
  /** Of its longest-lived certificate that is not revoked; undefined when it has none. */
  readonly expiresAt: UnixMs | undefined;
}

/** What the state database says. */
export interface DatabaseContent {
  readonly bytes: number;
  /** The number of its schema: at most {@linkcode MIGRATIONS} of this version. */
  readonly schema: number;
  /** What SQLite found wrong: its first word. Undefined when it found nothing. */
  readonly damage: string | undefined;
  /** Whether SQLite has gone through all of it. */
  readonly wasChecked: boolean;
  /** The CA whose devices these are; undefined before the first start has ended. */
  readonly caFingerprint: string | undefined;
  /** Which state it is; undefined before the first start has ended. */
  readonly stateId: string | undefined;
  /** How many acts there were that a restored backup must not undo. */
  readonly generation: number;
  /** The newest moment in it. */
  readonly newestAt: UnixMs | undefined;
  readonly devices: readonly PairedDevice[];
}

/** Where the database lies, and whether palyrad has it open. */
export interface DatabasePlace {
  readonly path: string;
  readonly isOpen: () => Promise<boolean>;
  /** Nothing more is begun once it aborts. */
  readonly signal: AbortSignal;
}

/**
 * Looks into the state database and changes nothing beside it: while palyrad runs, as one more reader; while it does not,
 * in a copy, because SQLite makes files beside a database in WAL mode even for a reader. Undefined when there is none.
 *
 * Rejects with `state_damaged`, `schema_too_new`, `state_in_use`, `state_read_only`, `permission_missing`, or
 * `unsupported` when palyrad does not run and the database is larger than {@linkcode MAX_EXAMINED_BYTES}.
 */
export async function examineDatabase({ path, isOpen, signal }: DatabasePlace): Promise<DatabaseContent | undefined> {
  const bytes = await sizeOf(path);
  if (bytes === undefined) return undefined;
  if (await isOpen()) return look(path, path, bytes);
  if (bytes > MAX_EXAMINED_BYTES) {
    throw new PalyraError(
      "unsupported",
      `The state database ${path} is larger than ${
        MAX_EXAMINED_BYTES / 1024 / 1024
      } MiB, so it was not gone through. ` +
        `Run \`sqlite3 '${path}' 'PRAGMA quick_check'\` for that.`,
    );
  }
  const first = await attempt(() => lookAtCopy(path, bytes, signal), signal);
  if (first.value !== undefined && first.value.damage === undefined) return first.value;
  // A palyrad that was started in the meantime may have changed it while it was being copied.
  return await isOpen() ? look(path, path, bytes) : await lookAtCopy(path, bytes, signal);
}

async function lookAtCopy(path: string, bytes: number, signal: AbortSignal): Promise<DatabaseContent> {
  const folder = await Deno.makeTempDir({ prefix: "palyrad-doctor-" });
  try {
    const copy = join(folder, "copy.sqlite");
    await Deno.copyFile(path, copy);
    await Deno.copyFile(`${path}-wal`, `${copy}-wal`).catch((error: unknown) => {
      // What stopped as it should has left none.
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    });
    // SQLite keeps this thread to itself: nobody waits any more.
    signal.throwIfAborted();
    return look(copy, path, bytes);
  } catch (error) {
    throw stateError(error, path);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** `shown` is the path that messages name. */
function look(path: string, shown: string, bytes: number): DatabaseContent {
  try {
    using database = new OpenDatabase(path);
    return contentOf(database.db, shown, bytes);
  } catch (thrown) {
    if (thrown instanceof PalyraError) throw thrown;
    const text = thrown instanceof Error ? thrown.message : "";
    if (/locked/.test(text)) {
      throw new PalyraError("state_in_use", `Another program holds ${shown}. Stop it, and look again.`, {
        cause: thrown,
      });
    }
    if (/not a database|malformed/.test(text)) throw damaged(shown, thrown);
    throw stateError(thrown, shown);
  }
}

class OpenDatabase implements Disposable {
  readonly db: DatabaseSync;

  constructor(path: string) {
    this.db = new DatabaseSync(path, { readOnly: true });
    this.db.exec(`PRAGMA busy_timeout = ${BUSY_MS}`);
  }

  [Symbol.dispose](): void {
    this.db.close();
  }
}

function contentOf(db: DatabaseSync, shown: string, bytes: number): DatabaseContent {
  const { user_version: schema } = row(db, VersionRow, "PRAGMA user_version");
  if (schema > MIGRATIONS.length) {
    throw new PalyraError(
      "schema_too_new",
      `The state database ${shown} has schema ${schema}, and this palyrad knows up to ${MIGRATIONS.length}. Run the newer ` +
        "palyrad, or name another folder with --state-root.",
    );
  }
  const wasChecked = bytes <= MAX_EXAMINED_BYTES;
  const { quick_check: word } = wasChecked ? row(db, CheckRow, "PRAGMA quick_check(1)") : { quick_check: "ok" };
  const empty = { caFingerprint: undefined, stateId: undefined, generation: 0, newestAt: undefined, devices: [] };
  const content = { bytes, schema, wasChecked, damage: word === "ok" ? undefined : word };
  // Made, but no start has ever got to its tables.
  if (schema === 0) return { ...content, ...empty };
  const fact = (name: string): string | undefined => {
    const found = db.prepare("SELECT value FROM facts WHERE name = ?").get(name);
    return found === undefined ? undefined : v.parse(FactRow, found).value;
  };
  const { newest } = row(db, NewestRow, NEWEST);
  return {
    ...content,
    caFingerprint: fact("ca_fingerprint"),
    stateId: fact(STATE_ID_FACT),
    generation: Number(fact(GENERATION_FACT) ?? 0),
    newestAt: newest ?? undefined,
    devices: db.prepare(DEVICES).all().map((found) => {
      const { device_name: name, expires_at: expiresAt } = v.parse(DeviceRow, found);
      return { name, expiresAt: expiresAt ?? undefined };
    }),
  };
}

function row<Schema extends v.GenericSchema>(db: DatabaseSync, schema: Schema, sql: string): v.InferOutput<Schema> {
  return v.parse(schema, db.prepare(sql).get());
}

const Moment = v.nullable(v.pipe(v.number(), v.transform((at) => at as UnixMs)));
const VersionRow = v.object({ user_version: v.number() });
const CheckRow = v.object({ quick_check: v.string() });
const FactRow = v.object({ value: v.string() });
const NewestRow = v.object({ newest: Moment });
const DeviceRow = v.object({ device_name: v.string(), expires_at: Moment });

// The ids of requests begin with the time at which they were made.
const NEWEST = `
  SELECT max(at) AS newest FROM (
    SELECT max(issued_at) AS at FROM certificates
    UNION ALL SELECT max(last_seen_at) FROM nodes
    UNION ALL SELECT max(created_at) FROM pairing_codes
    UNION ALL SELECT created_at FROM (SELECT created_at FROM requests ORDER BY request_id DESC LIMIT 1)
  )`;

// The daemon's own operator has no device key, and its certificate is another check's.
const DEVICES = `
  SELECT device_name, max(certificates.expires_at) AS expires_at
  FROM devices LEFT JOIN certificates
    ON certificates.device_id = devices.device_id AND certificates.revoked_at IS NULL
  WHERE status = 'paired' AND length(public_key) > 0
  GROUP BY devices.device_id ORDER BY device_name`;

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await Deno.stat(path)).size;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw stateError(error, path);
  }
}

function damaged(path: string, cause: unknown): PalyraError {
  return new PalyraError(
    "state_damaged",
    `The state database ${path} is damaged. Stop palyrad, keep a copy of the file and restore a backup.`,
    { cause },
  );
}
