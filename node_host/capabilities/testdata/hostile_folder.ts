import assert from "node:assert/strict";
import { join } from "node:path";

/** A real folder tree with things in and around an allowed root that must never be opened. */
export interface HostileFolder extends AsyncDisposable {
  /** The only folder that is allowed. */
  readonly root: string;
  /** Beside the root. */
  readonly outside: string;
  /** Paths that must be refused, each with what is wrong about it. */
  readonly paths: readonly (readonly [string, string])[];
}

const LAUNCHABLE =
  "a.exe a.EXE a.bat a.cmd a.com a.ps1 a.vbs a.msi a.scr a.lnk a.desktop a.command a.jar a.appimage a.sh a.url " +
  "a.hta a.pif a.reg a.webloc photo.jpg.lnk a.exe. a.vbe a.wsf a.cpl a.msc a.jse a.psm1 a.inf a.chm a.scf a.xll " +
  "a.library-ms a.search-ms a.settingcontent-ms a.application a.appinstaller a.msix a.iso a.img a.vhdx a.rdp a.theme " +
  "a.dmg a.pkg a.workflow a.scpt a.terminal a.inetloc a.fileloc a.mobileconfig a.deb a.rpm a.snap a.flatpakref a.run " +
  "a.bin a.out a.elf a.so a.py a.pl a.rb a.php a.jnlp a.class a.swf a.service a.directory .desktop a.DESKTOP a.JnLp " +
  "report.pdf.exe report.pdf.desktop -rf.sh --help.desktop";

/** Makes the tree. */
export async function createHostileFolder(): Promise<HostileFolder> {
  const base = await Deno.realPath(await Deno.makeTempDir({ prefix: "palyra-hostile-" }));
  const root = join(base, "shared");
  const outside = join(base, "private");
  await Promise.all([Deno.mkdir(root), Deno.mkdir(outside), Deno.mkdir(join(base, "shared2"))]);
  await Promise.all([
    ...[join(root, "plain.txt"), join(outside, "secret.txt"), join(base, "shared2", "a.txt")].map((path) =>
      Deno.writeTextFile(path, "text", { mode: 0o600 })
    ),
    ...LAUNCHABLE.split(" ").map((name) => Deno.writeTextFile(join(root, name), "text", { mode: 0o600 })),
    ...[0o700, 0o610, 0o601].map((mode) => writeWithMode(join(root, `program-${mode.toString(8)}.txt`), mode)),
    Deno.mkdir(join(root, "Thing.app")),
    Deno.mkdir(join(root, "folder")),
    Deno.writeTextFile(join(root, "back\\slash.txt"), "text"),
    Deno.writeTextFile(join(root, "gpj.\u202etxt"), "text"),
    Deno.writeTextFile(join(root, "line\nfeed.txt"), "text"),
    Deno.writeTextFile(join(root, "escape\u001b[2J.txt"), "text"),
    run("mkfifo", join(root, "fifo")),
    run("mkfifo", join(root, "fifo.txt")),
  ]);
  await Promise.all([
    Deno.symlink(join(outside, "secret.txt"), join(root, "link-out.txt")),
    Deno.symlink("../private/secret.txt", join(root, "link-out-relative.txt")),
    Deno.symlink(outside, join(root, "folder-out")),
    Deno.symlink(join(root, "link-out.txt"), join(root, "link-to-link.txt")),
    Deno.symlink(join(root, "nowhere"), join(root, "dangling.txt")),
    Deno.symlink(join(outside, "nowhere"), join(root, "dangling-out.txt")),
    Deno.symlink("loop.txt", join(root, "loop.txt")),
    Deno.symlink("a.desktop", join(root, "innocent.txt")),
    Deno.symlink("program-700.txt", join(root, "to-program.txt")),
    Deno.symlink("plain.txt", join(root, "to-plain.desktop")),
    Deno.symlink("back\\slash.txt", join(root, "to-backslash.txt")),
    Deno.symlink("/dev/null", join(root, "device.txt")),
    Deno.symlink("/", join(root, "everything")),
  ]);
  const socket = Deno.listen({ transport: "unix", path: join(root, "socket.txt") });
  return {
    root,
    outside,
    paths: hostilePaths(base, root, outside),
    async [Symbol.asyncDispose]() {
      socket.close();
      await Deno.remove(base, { recursive: true });
    },
  };
}

function hostilePaths(base: string, root: string, outside: string): [string, string][] {
  const inRoot: [string, string][] = [
    ...LAUNCHABLE.split(" ").map((name): [string, string] => ["launchable extension", name]),
    ["executable by its owner", "program-700.txt"],
    ["executable by its group", "program-610.txt"],
    ["executable by others", "program-601.txt"],
    ["application bundle", "Thing.app"],
    ["FIFO", "fifo"],
    ["FIFO that looks like a document", "fifo.txt"],
    ["socket", "socket.txt"],
    ["link to a device", "device.txt"],
    ["link out of the root", "link-out.txt"],
    ["relative link out of the root", "link-out-relative.txt"],
    ["link to a link out", "link-to-link.txt"],
    ["folder link out of the root", "folder-out"],
    ["through a folder link out of the root", "folder-out/secret.txt"],
    ["link to everything", "everything"],
    ["through a link to everything", "everything/etc/passwd"],
    ["dangling link", "dangling.txt"],
    ["dangling link out", "dangling-out.txt"],
    ["link to itself", "loop.txt"],
    ["link to a launcher", "innocent.txt"],
    ["link to a program", "to-program.txt"],
    ["launcher name on a document", "to-plain.desktop"],
    ["link to a name with a backslash", "to-backslash.txt"],
    ["backslash in the name", "back\\slash.txt"],
    ["direction override in the name", "gpj.\u202etxt"],
    ["line feed in the name", "line\nfeed.txt"],
    ["escape in the name", "escape\u001b[2J.txt"],
    ["missing", "missing.txt"],
    ["missing in a missing folder", "a/b/c.txt"],
    ["file used as a folder", "plain.txt/x"],
    ["file with a slash behind it", "plain.txt/"],
    ["dots within the root", "folder/../plain.txt"],
    ["single dot", "./plain.txt"],
    ["dots at the end", "folder/.."],
    ["dots out of the root", "../private/secret.txt"],
    ["NUL in the name", "plain.txt\u0000.pdf"],
    ["NUL at the end", "plain.txt\u0000"],
    ["name too long", "a".repeat(300)],
    ["path too long", "a/".repeat(2_500)],
    ["very long path", "a".repeat(900_000)],
    ["lone surrogate", "plain\ud800.txt"],
  ];
  return [
    ...inRoot.map(([what, name]): [string, string] => [what, `${root}/${name}`]),
    ["parent of the root", base],
    ["sibling", `${outside}/secret.txt`],
    ["sibling folder", outside],
    ["sibling with the root's name as its beginning", `${base}/shared2/a.txt`],
    ["missing outside", `${outside}/missing`],
    ["system file", "/etc/passwd"],
    ["device", "/dev/null"],
    ["process file", "/proc/self/environ"],
    ["file system root", "/"],
    ["program", "/bin/sh"],
    ["two slashes", `/${root}/plain.txt`],
    ["UNC with slashes", "//server/share/a.txt"],
    ["UNC", "\\\\server\\share\\a.txt"],
    ["device path", "\\\\.\\pipe\\a"],
    ["long path prefix", "\\\\?\\C:\\a.txt"],
    ["drive letter", "C:\\Windows\\notepad.exe"],
    ["drive letter with slashes", "C:/Windows/notepad.exe"],
    ["relative", "plain.txt"],
    ["relative with a dot", "./plain.txt"],
    ["relative with dots", "../shared/plain.txt"],
    ["home", "~/plain.txt"],
    ["variable", "$HOME/plain.txt"],
    ["empty", ""],
    ["blank", " "],
    ["leading space", ` ${root}/plain.txt`],
    ["leading dash", "-a"],
    ["option", "--help"],
    ["leading dash before the path", `-${root}/plain.txt`],
    ["file URL", `file://${root}/plain.txt`],
    ["web URL", "https://example.com/"],
    ["script URL", "javascript:alert(1)"],
    ["NUL first", `\u0000${root}/plain.txt`],
    ["only NUL", "\u0000"],
  ];
}

async function writeWithMode(path: string, mode: number): Promise<void> {
  await Deno.writeTextFile(path, "text");
  // The process's umask would take bits off the mode given at creation.
  await Deno.chmod(path, mode);
}

async function run(command: string, ...args: string[]): Promise<void> {
  assert.ok((await new Deno.Command(command, { args }).output()).success);
}
