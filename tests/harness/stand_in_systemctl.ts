/**
 * Stands in for `systemctl --user`, as far as the programs use it: it reads the unit's file, starts what `ExecStart=`
 * says, under the unit's system call filter if `STAND_IN_FILTER` names a program for that, waits for READY=1 on the socket
 * that it names, and stops it by SIGTERM. What it was asked goes to `calls`.
 *
 * @module
 */
import { join } from "node:path";

const home = Deno.env.get("STAND_IN_SYSTEMD") ?? "";
const units = join(Deno.env.get("XDG_CONFIG_HOME") ?? "", "systemd", "user");
const [verb = "", ...rest] = Deno.args.filter((arg) => arg !== "--user");
const unit = rest.find((arg) => !arg.startsWith("-")) ?? "";

const write = (text: string) => Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));

function fail(message: string): never {
  Deno.stderr.writeSync(new TextEncoder().encode(`${message}\n`));
  Deno.exit(1);
}

function read(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return undefined;
  }
}

function remove(path: string): void {
  if (read(path) !== undefined) Deno.removeSync(path);
}

/** A value's words, as systemd.syntax(7) and systemd.service(5) quote them. */
function words(value: string): string[] {
  return [...value.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g)].map(([, quoted, bare], at) => {
    const word = (quoted?.replaceAll(/\\(.)/g, "$1") ?? bare ?? "").replaceAll("%%", "%");
    // No variable is set that could be meant.
    return at === 0 ? word : word.replaceAll(/\$(\$|\{\w+\}|\w+)/g, (_, what) => what === "$" ? "$" : "");
  });
}

function valueOf(name: string): string {
  const line = (read(join(units, unit)) ?? "").split("\n").find((each) => each.startsWith(`${name}=`));
  return line?.slice(name.length + 1) ?? "";
}

const pidPath = join(home, `${unit}.pid`);
const enabledPath = join(home, `${unit}.enabled`);

function runs(): boolean {
  const pid = read(pidPath);
  // A process that has ended stays a zombie where nobody waits for it.
  return pid !== undefined && /\) [^ZX] /.test(read(`/proc/${pid}/stat`) ?? "");
}

async function start(): Promise<void> {
  if (runs()) return;
  const socketPath = join(home, `notify-${Deno.pid}`);
  const socket = Deno.listenDatagram({ transport: "unixpacket", path: socketPath });
  const filter = Deno.env.get("STAND_IN_FILTER");
  const filtered = filter === undefined ? [] : ["/usr/bin/python3", filter, join(units, unit)];
  const command = [...filtered, ...words(valueOf("ExecStart"))];
  const env = {
    NOTIFY_SOCKET: socketPath,
    WATCHDOG_USEC: "60000000",
    ...Object.fromEntries(words(valueOf("Environment")).map((word) => word.split(/=(.*)/s).slice(0, 2))),
    PATH: "/usr/bin:/bin",
  };
  const log = join(home, `${unit}.log`);
  // A shell, because Deno cannot hand a file over as standard output. It becomes the program.
  const script = 'exec "$@" >>"$LOG" 2>&1';
  const options = { env: { ...env, LOG: log }, clearEnv: true, stdin: "null", stdout: "null", stderr: "null" } as const;
  const child = new Deno.Command("/bin/sh", {
    args: ["-c", script, "sh", ...command],
    ...options,
    detached: true,
  })
    .spawn();
  const failed = child.status.then(() => fail(`Job for ${unit} failed.`));
  const ready = (async () => {
    for (;;) {
      // deno-lint-ignore no-await-in-loop -- one datagram after the other
      const [bytes] = await socket.receive(new Uint8Array(4_096));
      if (new TextDecoder().decode(bytes).includes("READY=1")) return;
    }
  })();
  await Promise.race([ready, failed]);
  await Deno.writeTextFile(pidPath, String(child.pid));
  child.unref();
}

async function stop(): Promise<void> {
  const pid = read(pidPath);
  if (pid === undefined || !runs()) return;
  Deno.kill(Number(pid), "SIGTERM");
  // deno-lint-ignore no-await-in-loop -- the process is another's child
  while (runs()) await new Promise((resolve) => setTimeout(resolve, 20));
}

Deno.writeTextFileSync(join(home, "calls"), `${Deno.args.join(" ")}\n`, { append: true });
switch (verb) {
  case "show":
    write(`LoadState=${read(join(units, unit)) === undefined ? "not-found" : "loaded"}`);
    write(`ActiveState=${runs() ? "active" : "inactive"}`);
    write(`SubState=${runs() ? "running" : "dead"}`);
    write(`UnitFileState=${read(enabledPath) === undefined ? "disabled" : "enabled"}`);
    break;
  case "reenable":
    if (read(join(units, unit)) === undefined) fail(`Unit file ${unit} does not exist.`);
    Deno.writeTextFileSync(enabledPath, "");
    break;
  case "disable":
    remove(enabledPath);
    if (rest.includes("--now")) await stop();
    break;
  case "start":
    await start();
    break;
  case "stop":
    await stop();
    break;
  case "restart":
    await stop();
    await start();
    break;
  case "daemon-reload":
    break;
  default:
    // Among them: no desktop is up, and nothing has failed.
    Deno.exit(3);
}
// The service goes on without this.
Deno.exit(0);
