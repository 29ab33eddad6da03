/** For tests: whether this machine lets the test mount a file system of its own, out of everybody else's sight. */
export const CAN_MOUNT: boolean = Deno.build.os === "linux" &&
  succeeds("unshare", ["-m", "mount", "-t", "tmpfs", "none", "/mnt"]);

/**
 * For tests: a command line that runs `command` with `folder` on a disk of its own of so many bytes, which only that
 * process sees and which ends with it. What is in the folder is there too.
 */
export function onSmallDisk(folder: string, bytes: number, command: readonly string[]): readonly string[] {
  const script = 'kept=$(mktemp -d) && cp -a "$0/." "$kept" && mount -t tmpfs -o "size=$1,mode=700" none "$0" && ' +
    'cp -a "$kept/." "$0" && rm -r "$kept" && shift && exec "$@"';
  return ["unshare", "-m", "sh", "-c", script, folder, String(bytes), ...command];
}

/** For tests: a folder as the process sees it that was started by {@linkcode onSmallDisk}. */
export function asSeenBy(pid: number, folder: string): string {
  return `/proc/${pid}/root${folder}`;
}

function succeeds(command: string, args: readonly string[]): boolean {
  try {
    return new Deno.Command(command, { args: [...args], stdout: "null", stderr: "null" }).outputSync().success;
  } catch {
    return false;
  }
}
