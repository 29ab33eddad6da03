import * as v from "valibot";
import type { AuthorityRoles } from "../identity/authority_set.ts";
import { type Fingerprint, parseFingerprint } from "../identity/fingerprint.ts";
import { PalyraError } from "../identity/palyra_error.ts";
import type { StoreTransaction } from "./store/store.ts";

/** Name of the fact that holds the fingerprint of the CA that issues; its being there says that the state had a first start. */
export const CA_FINGERPRINT_FACT = "ca_fingerprint";

/** Name of the fact that holds the other CAs; missing until the first rotation. */
const AUTHORITIES_FACT = "ca_authorities";

/** Which CAs count, as the store tells it. The store decides: a CA's files mean nothing until it names them. */
export interface AuthorityRecord extends AuthorityRoles {
  /** CAs that count no more, whose files a crash may have left behind. */
  readonly discarded: readonly Fingerprint[];
}

const fingerprint = v.pipe(v.string(), v.transform(parseFingerprint));
const der = v.pipe(v.string(), v.base64(), v.transform((text) => Uint8Array.fromBase64(text)));

const Others = v.object({
  next: v.optional(fingerprint),
  retiring: v.array(fingerprint),
  succession: v.array(der),
  discarded: v.array(fingerprint),
});

/** Reads it; undefined before the first start has ended. Throws `state_damaged` at what no daemon wrote. */
export async function readAuthorityRecord(tx: StoreTransaction): Promise<AuthorityRecord | undefined> {
  const [current, others] = await Promise.all([tx.facts.get(CA_FINGERPRINT_FACT), tx.facts.get(AUTHORITIES_FACT)]);
  if (current === undefined) return undefined;
  return { current: parse(fingerprint, current), ...parse(Others, others === undefined ? NONE : parseJson(others)) };
}

/** Writes it. */
export async function writeAuthorityRecord(tx: StoreTransaction, record: AuthorityRecord): Promise<void> {
  const { current, next, retiring, succession, discarded } = record;
  const others = { next, retiring, succession: succession.map((link) => link.toBase64()), discarded };
  await tx.facts.put(CA_FINGERPRINT_FACT, current);
  await tx.facts.put(AUTHORITIES_FACT, JSON.stringify(others));
}

const NONE = { retiring: [], succession: [], discarded: [] };

function parse<Schema extends v.GenericSchema>(schema: Schema, value: unknown): v.InferOutput<Schema> {
  try {
    return v.parse(schema, value);
  } catch (cause) {
    throw new PalyraError(
      "state_damaged",
      "What the state database says of the CAs cannot be read; restore the state folder from a backup.",
      { cause },
    );
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The schema refuses it.
    return undefined;
  }
}
