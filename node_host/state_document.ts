import * as v from "valibot";
import { writeFileAtomically } from "../identity/atomic_file.ts";
import { PalyraError } from "../identity/palyra_error.ts";
import { stateError } from "../identity/state_error.ts";

/** The version that every state document of the node host carries as `schema_version`. */
export const STATE_SCHEMA_VERSION = 1;

const MAX_DOCUMENT_BYTES: number = 64 * 1024;

/**
 * Reads a JSON document of the state folder; undefined when there is none. Rejects with `schema_too_new` when a newer
 * version wrote it, `state_damaged` when it is not what `schema` says; both leave it as it is.
 */
export async function readStateDocument<Schema extends v.GenericSchema>(
  path: string,
  schema: Schema,
): Promise<v.InferOutput<Schema> | undefined> {
  let bytes: Uint8Array;
  try {
    bytes = await Deno.readFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw stateError(error, path);
  }
  return parseStateDocument(bytes, path, schema);
}

/** Checks the bytes of a document; `path` is what messages name. Throws as {@linkcode readStateDocument} rejects. */
export function parseStateDocument<Schema extends v.GenericSchema>(
  bytes: Uint8Array,
  path: string,
  schema: Schema,
): v.InferOutput<Schema> {
  const value = parseJson(bytes);
  const version = value !== null && typeof value === "object" && "schema_version" in value ? value.schema_version : 0;
  if (typeof version === "number" && version > STATE_SCHEMA_VERSION) {
    throw new PalyraError(
      "schema_too_new",
      `${path} was written by a newer palyra-node (schema ${version}, this one knows ${STATE_SCHEMA_VERSION}); update ` +
        "palyra-node.",
    );
  }
  const parsed = v.safeParse(schema, value);
  if (parsed.success) return parsed.output;
  const field = v.getDotPath(parsed.issues[0]);
  throw new PalyraError(
    "state_damaged",
    `${path} is damaged${
      field === null ? "" : ` at ${field}`
    }; restore it from a backup, or move it away and pair this ` +
      "machine again.",
  );
}

/** The bytes of a document. */
export function encodeStateDocument(fields: Readonly<Record<string, unknown>>): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify({ schema_version: STATE_SCHEMA_VERSION, ...fields }, null, 2)}\n`);
}

/** Replaces a document as a whole; it is on the disk when this resolves. */
export async function writeStateDocument(path: string, fields: Readonly<Record<string, unknown>>): Promise<void> {
  await writeFileAtomically(path, encodeStateDocument(fields));
}

/** Removes a document; quiet when there is none. */
export async function removeStateDocument(path: string): Promise<void> {
  try {
    await Deno.remove(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw stateError(error, path);
  }
}

function parseJson(bytes: Uint8Array): unknown {
  if (bytes.length > MAX_DOCUMENT_BYTES) return undefined;
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    // The parser's message may quote the content.
    return undefined;
  }
}
