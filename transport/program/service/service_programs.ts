// One folder where /bin is a link to it; older PATHs find the other first.
const MANAGER_PROGRAMS: Readonly<Record<string, readonly string[]>> = {
  linux: ["/usr/bin/systemctl", "/bin/systemctl"],
  darwin: ["/bin/launchctl", "/usr/bin/id"],
  windows: [
    "C:\\Windows\\System32\\schtasks.exe",
    "C:\\Windows\\System32\\icacls.exe",
    "C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe",
  ],
};

/**
 * Every program that `install`, `start`, `stop` and their like may start on a platform: its service manager, and what
 * stops a process that runs in a terminal. By absolute paths: whoever can change the PATH cannot change what runs.
 *
 * @param os As `Deno.build.os` has it.
 */
export function servicePrograms(os: string): readonly string[] {
  return [...MANAGER_PROGRAMS[os] ?? [], stopProgram(os)];
}

/** What signals a process where Deno may not: Deno's own way takes leave to start every program there is. */
export function stopProgram(os: string): string {
  return os === "windows" ? "C:\\Windows\\System32\\taskkill.exe" : "/bin/kill";
}
