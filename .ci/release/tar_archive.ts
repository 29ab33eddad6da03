import { PalyraError } from "../../identity/palyra_error.ts";

/** A file of an archive. */
export interface ArchiveFile {
  /** With `/`, relative. */
  readonly path: string;
  readonly bytes: Uint8Array;
  readonly executable?: boolean;
}

const BLOCK_BYTES = 512;
const MAX_NAME_BYTES = 100;
const MAX_PREFIX_BYTES = 155;

/**
 * A tar archive (POSIX.1-1988 ustar) of `files`, sorted by path, all of one time (seconds since 1970) and of no owner: the
 * same files give the same bytes.
 */
export function tarArchive(files: readonly ArchiveFile[], seconds: number): Uint8Array<ArrayBuffer> {
  const sorted = files.toSorted((left, right) => left.path < right.path ? -1 : 1);
  // Two empty blocks end an archive.
  const size = sorted.reduce((sum, { bytes }) => sum + BLOCK_BYTES + padded(bytes.length), 2 * BLOCK_BYTES);
  const archive = new Uint8Array(size);
  let at = 0;
  for (const file of sorted) {
    archive.set(header(file, seconds), at);
    archive.set(file.bytes, at + BLOCK_BYTES);
    at += BLOCK_BYTES + padded(file.bytes.length);
  }
  return archive;
}

function padded(length: number): number {
  return Math.ceil(length / BLOCK_BYTES) * BLOCK_BYTES;
}

function header({ path, bytes, executable = false }: ArchiveFile, seconds: number): Uint8Array {
  const block = new Uint8Array(BLOCK_BYTES);
  const encoder = new TextEncoder();
  const put = (at: number, text: string) => block.set(encoder.encode(text), at);
  /** Octal digits and the zero byte that ends them. */
  const putNumber = (at: number, width: number, value: number) => put(at, value.toString(8).padStart(width - 1, "0"));
  const { name, prefix } = splitPath(path);
  put(0, name);
  putNumber(100, 8, executable ? 0o755 : 0o644);
  putNumber(108, 8, 0);
  putNumber(116, 8, 0);
  putNumber(124, 12, bytes.length);
  putNumber(136, 12, seconds);
  // The checksum is counted as if it were spaces.
  put(148, " ".repeat(8));
  put(156, "0");
  put(257, "ustar\0" + "00");
  put(345, prefix);
  const sum = block.reduce((total, byte) => total + byte, 0);
  put(148, `${sum.toString(8).padStart(6, "0")}\0 `);
  return block;
}

/** A path that is too long for the name goes in part, up to a `/`, into the prefix. */
function splitPath(path: string): { readonly name: string; readonly prefix: string } {
  const length = (text: string) => new TextEncoder().encode(text).length;
  if (length(path) <= MAX_NAME_BYTES) return { name: path, prefix: "" };
  for (let slash = path.indexOf("/"); slash !== -1; slash = path.indexOf("/", slash + 1)) {
    const [prefix, name] = [path.slice(0, slash), path.slice(slash + 1)];
    if (length(name) <= MAX_NAME_BYTES && length(prefix) <= MAX_PREFIX_BYTES) return { name, prefix };
  }
  throw new PalyraError("execution_failed", `${path} is too long a path for an archive.`);
}
