import type { ReleaseTarget } from "./release_target.ts";

/** What an executable is made for. */
export type ExecutablePlatform = Pick<ReleaseTarget, "os" | "arch">;

/** How many bytes of a file {@linkcode executablePlatform} needs at most. */
export const EXECUTABLE_HEAD_BYTES = 4096;

// ELF: e_machine. Mach-O: cputype. PE: Machine. Each by its own specification.
const ELF_MACHINES: Readonly<Record<number, ExecutablePlatform["arch"]>> = { 0x3e: "x86_64", 0xb7: "aarch64" };
const MACH_O_TYPES: Readonly<Record<number, ExecutablePlatform["arch"]>> = {
  0x01000007: "x86_64",
  0x0100000c: "aarch64",
};
const PE_MACHINES: Readonly<Record<number, ExecutablePlatform["arch"]>> = { 0x8664: "x86_64", 0xaa64: "aarch64" };

const ELF_MAGIC = 0x7f454c46;
const MACH_O_64_MAGIC = 0xfeedfacf;
const DOS_MAGIC = 0x4d5a;
const PE_MAGIC = 0x50450000;
/** Where a DOS header tells where the PE header begins. */
const PE_OFFSET_AT = 0x3c;

/** What the executable that begins with `head` is made for; undefined when it is none for a platform of a release. */
export function executablePlatform(head: Uint8Array): ExecutablePlatform | undefined {
  if (head.length < 64) return undefined;
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  if (view.getUint32(0) === ELF_MAGIC) return of("linux", ELF_MACHINES[view.getUint16(18, true)]);
  if (view.getUint32(0, true) === MACH_O_64_MAGIC) return of("darwin", MACH_O_TYPES[view.getUint32(4, true)]);
  if (view.getUint16(0) !== DOS_MAGIC) return undefined;
  const at = view.getUint32(PE_OFFSET_AT, true);
  if (at + 6 > head.length || view.getUint32(at) !== PE_MAGIC) return undefined;
  return of("windows", PE_MACHINES[view.getUint16(at + 4, true)]);
}

/** What the executable at `path` is made for. */
export async function executablePlatformOf(path: string): Promise<ExecutablePlatform | undefined> {
  using file = await Deno.open(path);
  const head = new Uint8Array(EXECUTABLE_HEAD_BYTES);
  return executablePlatform(head.subarray(0, await file.read(head) ?? 0));
}

function of(
  os: ExecutablePlatform["os"],
  arch: ExecutablePlatform["arch"] | undefined,
): ExecutablePlatform | undefined {
  return arch === undefined ? undefined : { os, arch };
}
