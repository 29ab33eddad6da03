import { join } from "node:path";
import { getLogger } from "@logtape/logtape";
import { type EnvironmentReader, environmentText } from "../environment.ts";

const log = getLogger(["palyra", "program", "service"]);

/** The longest path that a Unix socket can have on every system, in bytes (macOS: 104 with the final zero). */
const MAX_SOCKET_PATH_BYTES = 103;
/** systemd reads at most one page. */
const MAX_STATUS_CHARACTERS = 500;

/** What tells a program that a service manager waits for its word. */
export interface ServiceNotifierOptions {
  /** A folder in which the program may make its end of the socket for a moment. */
  readonly folder: string;
  /** `Deno.env` by default. */
  readonly environment?: EnvironmentReader;
}

/**
 * Tells the service manager how the program stands: sd_notify(3), datagrams to the socket that `NOTIFY_SOCKET` names.
 * Without that variable, in a terminal say, every method does nothing. Nothing here ever throws: a manager that cannot be
 * told is logged once, and the program goes on.
 *
 * Where `WATCHDOG_USEC` is set, the manager is told twice in that time that the program is alive, once it is ready. That
 * word comes from the event loop, so a program that is stuck falls silent and is restarted.
 *
 * Permissions: `--allow-env=NOTIFY_SOCKET,WATCHDOG_USEC,WATCHDOG_PID`, `--allow-net`, and `--allow-read=` and
 * `--allow-write=` for the folder and the manager's socket (`/run/systemd/notify` for system services).
 */
export class ServiceNotifier implements Disposable {
  #channel: NotifyChannel | undefined;
  readonly #watchdogMs: number | undefined;
  #watchdog: ReturnType<typeof setInterval> | undefined;
  #lastStatus = "";

  private constructor(channel: NotifyChannel | undefined, watchdogMs: number | undefined) {
    this.#channel = channel;
    this.#watchdogMs = watchdogMs;
  }

  static open({ folder, environment = Deno.env }: ServiceNotifierOptions): ServiceNotifier {
    try {
      const socket = environmentText(environment, "NOTIFY_SOCKET");
      if (socket === undefined) return new ServiceNotifier(undefined, undefined);
      return new ServiceNotifier(new NotifyChannel(socket, folder), watchdogInterval(environment));
    } catch (error) {
      log.warning("The service manager cannot be told how the program stands.", { error });
      return new ServiceNotifier(undefined, undefined);
    }
  }

  /** The program does its work from now on. `status` is a line for `systemctl status`. */
  async ready(status = ""): Promise<void> {
    if (this.#watchdog === undefined && this.#channel !== undefined && this.#watchdogMs !== undefined) {
      this.#watchdog = setInterval(() => this.#channel?.send("WATCHDOG=1"), this.#watchdogMs);
    }
    this.#lastStatus = statusText(status);
    await this.#channel?.send(["READY=1", ...this.#statusLines()].join("\n"));
  }

  /** A new line for `systemctl status`; the same again is not sent. */
  async status(status: string): Promise<void> {
    const text = statusText(status);
    if (text === this.#lastStatus) return;
    this.#lastStatus = text;
    await this.#channel?.send(`STATUS=${text}`);
  }

  /** The program is about to end by itself, in order. */
  async stopping(): Promise<void> {
    await this.#channel?.send("STOPPING=1");
  }

  [Symbol.dispose](): void {
    clearInterval(this.#watchdog);
    this.#channel?.close();
    this.#channel = undefined;
  }

  #statusLines(): string[] {
    return this.#lastStatus === "" ? [] : [`STATUS=${this.#lastStatus}`];
  }
}

/** One line: a line's end would begin another assignment. */
function statusText(status: string): string {
  return status.replaceAll(/\p{Cc}/gu, " ").slice(0, MAX_STATUS_CHARACTERS);
}

/** Half the watchdog's time in milliseconds; undefined when there is none, or it is for another process. */
function watchdogInterval(environment: EnvironmentReader): number | undefined {
  const micros = Number(environmentText(environment, "WATCHDOG_USEC"));
  const pid = environmentText(environment, "WATCHDOG_PID");
  if (!Number.isSafeInteger(micros) || micros <= 0 || (pid !== undefined && pid !== String(Deno.pid))) return undefined;
  return Math.max(1, Math.floor(micros / 2_000));
}

/** One end of the manager's datagram socket. */
class NotifyChannel {
  readonly #socket: Deno.DatagramConn;
  readonly #manager: Deno.UnixAddr;
  /** Nobody is to hear of failures: one was told already, or the channel is closed. */
  #quiet = false;

  constructor(name: string, folder: string) {
    // An abstract name is written with "@" and meant with a zero byte (sd_notify(3)).
    this.#manager = { transport: "unixpacket", path: name.replace(/^@/, "\0") };
    this.#socket = bindNameless(folder);
  }

  async send(message: string): Promise<void> {
    try {
      await this.#socket.send(new TextEncoder().encode(message), this.#manager);
    } catch (error) {
      if (!this.#quiet) log.warning("The service manager cannot be told how the program stands.", { error });
      this.#quiet = true;
    }
  }

  close(): void {
    this.#quiet = true;
    this.#socket.close();
  }
}

/** Deno binds a datagram socket to a path; nobody answers there, so the path goes again at once. */
function bindNameless(folder: string): Deno.DatagramConn {
  const name = `.notify-${Deno.pid}`;
  const wanted = join(folder, name);
  const fits = new TextEncoder().encode(wanted).length <= MAX_SOCKET_PATH_BYTES;
  const shortFolder = fits ? undefined : Deno.makeTempDirSync();
  const path = shortFolder === undefined ? wanted : join(shortFolder, name);
  try {
    return Deno.listenDatagram({ transport: "unixpacket", path });
  } finally {
    Deno.removeSync(shortFolder ?? path, { recursive: true });
  }
}
