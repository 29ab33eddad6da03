import { createHmac } from "node:crypto";
import { join } from "node:path";
import * as v from "valibot";
import { writeFileAtomically } from "../../identity/atomic_file.ts";
import { type RandomBytes, secureRandomBytes } from "../../identity/random_bytes.ts";
import type { SecretStore } from "../../identity/secret_store.ts";
import { stateError } from "../../identity/state_error.ts";
import { type UnixMs, unixMs } from "../../identity/unix_ms.ts";
import type { AuditHead } from "../store/audit_record.ts";
import { type AuditHash, isAuditHash, sameAuditHash } from "./audit_hash.ts";
import { netstrings } from "./netstring.ts";

/** Where the anchor lies in the state folder. */
export const AUDIT_ANCHOR_FILE = "audit-head.json";

/** The name under which the secret store keeps the anchor's key. */
export const AUDIT_KEY_SECRET = "audit-key";

const KEY_BYTES = 32;
const MAX_FILE_BYTES = 4_096;
/** Keeps the key from being of use for anything else. */
const PURPOSE = "palyra audit head 1";

/**
 * A head of the audit, kept beside the database. It is written after the commit of its record, so it may lag behind the
 * table and is never ahead of it: a table that ends before the anchor has lost records.
 */
export interface AuditAnchor extends AuditHead {
  readonly at: UnixMs;
  /** The daemon stopped in order, with this as its last record: there is none behind it. */
  readonly closed: boolean;
  /**
   * The newest record that may have been deleted, since it was archived: written before it is, so that any other one that
   * is missing was deleted by somebody else. Undefined in an anchor of an older version, which does not say.
   */
  readonly archived: AuditHead | undefined;
}

/**
 * What was found in the place of the anchor. `forged`: not written with the key, or not readable, or its key is gone;
 * who can write the database alone has no key.
 */
export type FoundAnchor = AuditAnchor | "missing" | "forged";

const hash = v.pipe(v.string(), v.check(isAuditHash), v.transform((text) => text as AuditHash));
const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

const AnchorShape = v.object({
  schema_version: v.literal(1),
  sequence: count,
  hash,
  at_unix_ms: count,
  closed: v.boolean(),
  archived: v.optional(v.object({ sequence: count, hash })),
  mac: hash,
});

/** The anchor's key among the daemon's secrets; undefined when there is none that could be one. */
export async function readAuditKey(secrets: SecretStore): Promise<Uint8Array | undefined> {
  const key = await secrets.read(AUDIT_KEY_SECRET);
  return key?.length === KEY_BYTES ? key : undefined;
}

/** Makes a key and stores it in the place of any other. */
export async function makeAuditKey(
  secrets: SecretStore,
  random: RandomBytes = secureRandomBytes,
): Promise<Uint8Array> {
  const key = random(KEY_BYTES);
  await secrets.write(AUDIT_KEY_SECRET, key);
  return key;
}

/** Writes the anchor, as a whole and synced. Rejects as `writeFileAtomically` does. */
export async function writeAuditAnchor(folder: string, key: Uint8Array, anchor: AuditAnchor): Promise<void> {
  const content = {
    schema_version: 1,
    sequence: anchor.sequence,
    hash: anchor.hash,
    at_unix_ms: anchor.at,
    closed: anchor.closed,
    ...(anchor.archived && { archived: { sequence: anchor.archived.sequence, hash: anchor.archived.hash } }),
    mac: macOf(key, anchor),
  };
  const bytes = new TextEncoder().encode(`${JSON.stringify(content, null, 2)}\n`);
  await writeFileAtomically(join(folder, AUDIT_ANCHOR_FILE), bytes);
}

/** Reads the anchor of a state folder; rejects only when the file is there and the system does not let it be read. */
export async function readAuditAnchor(folder: string, key: Uint8Array | undefined): Promise<FoundAnchor> {
  const path = join(folder, AUDIT_ANCHOR_FILE);
  let parsed;
  try {
    const { size } = await Deno.stat(path);
    if (size > MAX_FILE_BYTES) return "forged";
    parsed = v.safeParse(AnchorShape, JSON.parse(await Deno.readTextFile(path)));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "missing";
    if (error instanceof SyntaxError) return "forged";
    throw stateError(error, path);
  }
  if (!parsed.success || key === undefined) return "forged";
  const { sequence, hash, at_unix_ms, closed, archived, mac } = parsed.output;
  const anchor: AuditAnchor = { sequence, hash, at: unixMs(at_unix_ms), closed, archived };
  return sameAuditHash(mac, macOf(key, anchor)) ? anchor : "forged";
}

/** HMAC-SHA256, in hex, over the members as netstrings. */
function macOf(key: Uint8Array, { sequence, hash, at, closed, archived }: AuditAnchor): AuditHash {
  const beginning = archived === undefined ? [] : [String(archived.sequence), archived.hash];
  const text = netstrings(PURPOSE, String(sequence), hash, String(at), closed ? "closed" : "open", ...beginning);
  return createHmac("sha256", key).update(text, "utf8").digest("hex") as AuditHash;
}
