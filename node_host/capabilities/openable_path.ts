import { posix, win32 } from "node:path";
import { PalyraError } from "../../identity/palyra_error.ts";
import { isLaunchableName } from "./launchable_name.ts";

/** The longest path that is opened, in bytes of UTF-8. */
export const MAX_PATH_BYTES = 4_096;

/** A file or folder that may be handed to the opener. */
export interface OpenablePath {
  /** Canonical: absolute, every symbolic link followed. */
  readonly path: string;
  readonly kind: "file" | "directory";
}

// Controls, bidirectional overrides and line separators: the owner would read another name than is opened.
const NEVER_IN_A_PATH = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u061C\u200E\u200F\u202A-\u202E\u2066-\u2069]/u;

const WINDOWS_DEVICE = /^(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9¹²³])(?:\..*)?$/i;

/** Why the text of a path is refused whatever the disk holds, or undefined. `os` decides which rules hold. */
export function pathTextRefusal(path: string, os: string = Deno.build.os): string | undefined {
  if (new TextEncoder().encode(path).byteLength > MAX_PATH_BYTES) return `is longer than ${MAX_PATH_BYTES} bytes`;
  if (NEVER_IN_A_PATH.test(path)) return "has control or direction characters in it";
  if (/^[/\\]{2}/.test(path)) return "is a network or device path; only local files and folders are opened";
  return os === "windows" ? windowsRefusal(path) : unixRefusal(path);
}

function unixRefusal(path: string): string | undefined {
  if (!path.startsWith("/")) return "must be absolute";
  // Openers are often shell scripts, to whose echo and printf a backslash is an escape.
  if (path.includes("\\")) return "has a backslash in it; such names are not opened";
  return dotSegmentRefusal(path.split("/"));
}

function windowsRefusal(path: string): string | undefined {
  if (!/^[A-Za-z]:[/\\]/.test(path)) return "must be absolute, with a drive letter";
  const segments = path.slice(3).split(/[/\\]/);
  // A colon further on names an alternate data stream; the others are never part of a name.
  if (segments.some((segment) => /[:<>"|?*]/.test(segment))) return "has a character that file names cannot have";
  if (segments.some((segment) => WINDOWS_DEVICE.test(segment))) {
    return "names a device; only files and folders are opened";
  }
  if (segments.some((segment) => /[. ]$/.test(segment) && !/^\.{1,2}$/.test(segment))) {
    return "has a name that ends in a dot or space";
  }
  return dotSegmentRefusal(segments);
}

function dotSegmentRefusal(segments: readonly string[]): string | undefined {
  const hasDots = segments.some((segment) => segment === "." || segment === "..");
  return hasDots ? 'has "." or ".." in it; write the path out' : undefined;
}

/** Whether `path` is `root` or lies below it; both absolute and without dot segments. */
export function isWithin(path: string, root: string, os: string = Deno.build.os): boolean {
  const relative = (os === "windows" ? win32 : posix).relative(root, path);
  const separator = os === "windows" ? /^\.\.(?:[/\\]|$)|^[A-Za-z]:/ : /^\.\.(?:\/|$)/;
  return !separator.test(relative);
}

/**
 * Checks a path that a peer wants opened: an existing file or folder under one of `roots` once every link is followed,
 * and nothing that starts a program. Throws `invalid_input`, or `capability_denied` for what is
 * outside the roots: of that nobody learns whether it exists.
 */
export async function resolveOpenablePath(path: string, roots: readonly string[]): Promise<OpenablePath> {
  const complaint = pathTextRefusal(path);
  if (complaint !== undefined) throw refusal(complaint);
  const canonicalRoots = await canonicalRootsOf(roots);
  if (![...roots, ...canonicalRoots].some((root) => isWithin(path, root))) throw outsideRoots();
  const canonical = await canonicalPathOf(path);
  if (!canonicalRoots.some((root) => isWithin(canonical, root))) throw outsideRoots();
  // The names on disk were chosen by somebody else than the text of the request.
  const canonicalComplaint = pathTextRefusal(canonical);
  if (canonicalComplaint !== undefined) throw refusal(`leads to a path that ${canonicalComplaint}`);
  const kind = kindOf(await Deno.lstat(canonical).catch((cause) => Promise.reject(unreachable(cause))));
  if (isLaunchableName(lastSegment(path)) || isLaunchableName(lastSegment(canonical))) throw launchable();
  return { path: canonical, kind };
}

/** The canonical forms of those roots that exist and may be read. */
export async function canonicalRootsOf(roots: readonly string[]): Promise<string[]> {
  // A root that is gone, or that this process may not read, allows nothing; the others still hold.
  const found = await Promise.all(roots.map((root) => Deno.realPath(root).catch(() => undefined)));
  return found.filter((root) => root !== undefined);
}

async function canonicalPathOf(path: string): Promise<string> {
  try {
    return await Deno.realPath(path);
  } catch (cause) {
    throw unreachable(cause);
  }
}

function kindOf(info: Deno.FileInfo): OpenablePath["kind"] {
  if (info.isDirectory) return "directory";
  if (!info.isFile) throw refusal("is neither a file nor a folder");
  if (Deno.build.os !== "windows" && info.mode !== null && (info.mode & 0o111) !== 0) throw launchable();
  return "file";
}

function lastSegment(path: string): string {
  return (Deno.build.os === "windows" ? win32 : posix).basename(path);
}

function unreachable(cause: unknown): PalyraError {
  // Beyond the granted folders Deno refuses to look: a link leads out, or a root was not granted.
  if (cause instanceof Deno.errors.NotCapable) return outsideRoots(cause);
  return refusal("names nothing that exists and can be read on the node; check its spelling", cause);
}

function launchable(): PalyraError {
  return refusal(
    "is a program, script, shortcut or installer (by its name or its executable bit); such are never opened",
  );
}

function outsideRoots(cause?: unknown): PalyraError {
  return new PalyraError(
    "capability_denied",
    "input.path is not under a folder that the node's owner allows; the owner can add one to open_path.roots in " +
      "palyra-node's palyra.toml.",
    { cause },
  );
}

function refusal(complaint: string, cause?: unknown): PalyraError {
  return new PalyraError("invalid_input", `input.path: ${complaint}.`, { cause });
}
