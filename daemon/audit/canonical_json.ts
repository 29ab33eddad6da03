import type { JsonValue } from "../../transport/program/log_value.ts";

/** What {@linkcode canonicalJson} can write: members that are undefined are left out. */
export type CanonicalJsonInput = JsonValue | undefined | readonly CanonicalJsonInput[] | {
  readonly [name: string]: CanonicalJsonInput;
};

/**
 * The one text of a JSON value, after RFC 8785: members in the order of their names' UTF-16 code units, no white space,
 * numbers and strings as JSON.stringify writes them. Half a surrogate pair becomes U+FFFD, as it would on the disk.
 */
export function canonicalJson(value: CanonicalJsonInput): string {
  if (typeof value === "string") return JSON.stringify(value.toWellFormed());
  if (value === undefined || value === null || typeof value !== "object") return JSON.stringify(value ?? null);
  if (isList(value)) return `[${value.map(canonicalJson).join(",")}]`;
  let members = "";
  // JavaScript sorts text by UTF-16 code units.
  for (const name of Object.keys(value).sort()) {
    const member = value[name];
    if (member !== undefined) members += `${members === "" ? "" : ","}${canonicalJson(name)}:${canonicalJson(member)}`;
  }
  return `{${members}}`;
}

/** `Array.isArray` does not narrow a union with read-only arrays. */
function isList(value: object): value is readonly CanonicalJsonInput[] {
  return Array.isArray(value);
}
