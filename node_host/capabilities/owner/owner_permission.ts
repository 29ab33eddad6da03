import { isAbsolute, normalize } from "node:path";
import { PalyraError } from "../../../identity/palyra_error.ts";
import { printableText } from "../printable_text.ts";

/** The most permissions that a capability of the owner's may declare. */
export const MAX_OWNER_PERMISSIONS = 32;

/** The longest text of a permission, in characters. */
export const MAX_PERMISSION_CHARACTERS = 1_000;

type SysKind = NonNullable<Deno.SysPermissionDescriptor["kind"]>;

// Deno refuses other kinds only when it does not grant everything.
const SYS_KINDS: readonly SysKind[] = [
  "ca",
  "cpus",
  "getPriority",
  "gid",
  "homedir",
  "hostname",
  "loadavg",
  "networkInterfaces",
  "osRelease",
  "osUptime",
  "setPriority",
  "statfs",
  "systemMemoryInfo",
  "uid",
  "umask",
  "username",
];

// Not `import`: code that runs here is the owner's own file and nothing that is fetched from elsewhere. Not `ffi`: native
// code obeys nobody. Not `env`: there is nothing in the environment.
const SCOPE_RULES = {
  read: isPlainAbsolutePath,
  write: isPlainAbsolutePath,
  run: isPlainAbsolutePath,
  net: isHost,
  sys: isSysKind,
} as const;

// To write or start whatever one likes is to have no fence at all. (Who may write everywhere may also make links that lead
// out of every folder.)
const NEVER_AS_A_WHOLE: readonly string[] = ["write", "run"];

type PermissionKind = keyof typeof SCOPE_RULES;

/** A Deno permission in the notation that capability files and the configuration share. */
export interface OwnerPermission {
  /** `read=/srv`: what stands after `--allow-` on Deno's command line, with one scope. */
  readonly text: string;
  readonly kind: PermissionKind;
  /** Undefined: everything of this kind. */
  readonly scope: string | undefined;
}

/** What {@linkcode parseOwnerPermission} takes, for messages. */
export const PERMISSION_NOTATION =
  "read=/absolute/path, write=/absolute/path, net=host:443, sys=loadavg or run=/absolute/path; read, net and sys also alone";

/**
 * Reads one permission: a kind, or a kind and one scope joined by `=`. Paths are absolute and in their shortest form.
 * `write` and `run` need a scope; `import`, `ffi` and `env` are not to be had. Throws `invalid_config`, naming the
 * permission.
 */
export function parseOwnerPermission(text: string): OwnerPermission {
  const [, kind, scope] = /^([a-z]+)(?:=(.+))?$/s.exec(text) ?? [];
  if (!isPermissionKind(kind) || !isScope(kind, scope)) {
    const shown = JSON.stringify(printableText(text, 100));
    throw new PalyraError("invalid_config", `The permission ${shown} cannot be granted; write ${PERMISSION_NOTATION}.`);
  }
  return { text, kind, scope };
}

/** Whether {@linkcode parseOwnerPermission} takes it. */
export function isOwnerPermission(text: string): boolean {
  try {
    parseOwnerPermission(text);
    return true;
  } catch {
    return false;
  }
}

/**
 * The declared permissions that the owner has not allowed. An entry allows exactly what it says; a kind without a scope
 * allows everything of that kind.
 */
export function permissionsNotAllowed(
  declared: readonly OwnerPermission[],
  allowed: readonly string[],
): readonly OwnerPermission[] {
  return declared.filter(({ text, kind }) => !allowed.includes(text) && !allowed.includes(kind));
}

/** What of it no fence holds: a program that it starts can do whatever palyra-node's user can. */
export function unfencedPermissions(declared: readonly OwnerPermission[]): readonly OwnerPermission[] {
  return declared.filter(({ kind }) => kind === "run");
}

/** The flags of `deno run` that grant these permissions and no others. */
export function permissionFlags(granted: readonly OwnerPermission[]): string[] {
  return (Object.keys(SCOPE_RULES) as PermissionKind[]).flatMap((kind) => {
    const scopes = granted.filter((permission) => permission.kind === kind).map(({ scope }) => scope);
    if (scopes.length === 0) return [];
    return scopes.includes(undefined) ? `--allow-${kind}` : `--allow-${kind}=${scopes.join(",")}`;
  });
}

function isPermissionKind(kind: string | undefined): kind is PermissionKind {
  return kind !== undefined && Object.hasOwn(SCOPE_RULES, kind);
}

function isScope(kind: PermissionKind, scope: string | undefined): boolean {
  if (scope === undefined) return !NEVER_AS_A_WHOLE.includes(kind);
  return scope.length <= MAX_PERMISSION_CHARACTERS && SCOPE_RULES[kind](scope);
}

// In its shortest form, so that the owner sees what it leads to. Deno splits lists of paths at commas.
function isPlainAbsolutePath(path: string): boolean {
  return isAbsolute(path) && normalize(path) === path && !/[\p{C},]/u.test(path);
}

// A name or an address, IPv6 in brackets, with or without a port.
function isHost(scope: string): boolean {
  const match = /^(?:[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(?::(\d{1,5}))?$/.exec(scope);
  return match !== null && Number(match[1] ?? 0) <= 65_535;
}

function isSysKind(scope: string): scope is SysKind {
  return SYS_KINDS.some((kind) => kind === scope);
}
