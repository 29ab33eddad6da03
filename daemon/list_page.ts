/** The most entries a caller may ask a list for. */
export const MAX_LIST_ENTRIES = 500;

/** The most bytes a list answer may take; a client reads four times as much (design section 4). */
export const MAX_LIST_BYTES: number = 1024 * 1024;

/** What one entry adds to a protobuf message beside itself, in bytes: its tag and its length. */
const ENTRY_OVERHEAD_BYTES = 6;

/** The entries of one answer. */
export interface ListPage<T> {
  readonly entries: T[];
  /** There were more than fitted. */
  readonly cut: boolean;
}

/**
 * Takes as many entries as fit, but always the first, so that who asks for what follows gets on. Reads no more of
 * `entries` than one beyond them.
 *
 * @param bytesOf the encoded length of an entry.
 */
export function pageOf<T>(
  entries: Iterable<T>,
  bytesOf: (entry: T) => number,
  maxBytes: number = MAX_LIST_BYTES,
): ListPage<T> {
  const taken: T[] = [];
  let bytes = 0;
  for (const entry of entries) {
    bytes += bytesOf(entry) + ENTRY_OVERHEAD_BYTES;
    if (bytes > maxBytes && taken.length > 0) return { entries: taken, cut: true };
    taken.push(entry);
  }
  return { entries: taken, cut: false };
}
