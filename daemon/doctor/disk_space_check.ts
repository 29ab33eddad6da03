import { statfs } from "node:fs/promises";
import type { Check } from "../../transport/program/doctor/check.ts";
import { failed, type Finding, ok, skipped, skippedFor, warning } from "../../transport/program/doctor/finding.ts";

const MIB = 1024 * 1024;

/** What {@linkcode diskSpaceCheck} goes by. */
export interface DiskSpaceLimits {
  /** With less, in bytes, the daemon may stop to take requests at any moment. Default: 64 MiB. */
  readonly leastBytes?: number;
  /** With less, in bytes, it is worth a word. Default: 512 MiB. */
  readonly enoughBytes?: number;
}

/** Whether there is room for the state database to grow: what is accepted must be on the disk first. */
export function diskSpaceCheck(folder: string, limits: DiskSpaceLimits = {}): Check {
  return { name: "disk_space", examine: () => examine(folder, limits) };
}

async function examine(folder: string, limits: DiskSpaceLimits): Promise<Finding> {
  const { leastBytes = 64 * MIB, enoughBytes = 512 * MIB } = limits;
  let free: number;
  try {
    const { bavail, bsize } = await statfs(folder);
    free = bavail * bsize;
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) {
      return skipped("Deno may not ask how much room is left.", "Start it with `--allow-sys=statfs` to know.");
    }
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return skippedFor("state_folder");
    throw error;
  }
  const seen = `${sizeText(free)} are free where the state lies.`;
  const cure = `Free some space on the file system of ${folder}; \`df -h '${folder}'\` shows it.`;
  if (free < leastBytes) return failed("state_read_only", seen, cure);
  return free < enoughBytes ? warning("state_read_only", seen, cure) : ok(seen);
}

function sizeText(bytes: number): string {
  return bytes < 1024 * MIB ? `${Math.floor(bytes / MIB)} MiB` : `${Math.floor(bytes / MIB / 1024)} GiB`;
}
