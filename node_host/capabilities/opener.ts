import { isAbsolute } from "node:path";
import { pathToFileURL } from "node:url";
import { PalyraError } from "../../identity/palyra_error.ts";
import { isGranted } from "./permission_gate.ts";

/** Hands a URL or a file to the program that the owner uses for it. */
export interface Opener {
  /** The absolute path of the program that is started: what `--allow-run=` must name. */
  readonly command: string;
  /** Why it cannot be used on this machine, with the cure; undefined when it can, as far as that may be looked at. */
  obstacle(): Promise<string | undefined>;
  /**
   * Opens an absolute http or https URL or an absolute path that the caller has checked. Rejects with
   * `capability_unavailable`, `permission_missing`, `execution_failed`, or `cancelled` once the aborted child is gone.
   */
  open(target: string, signal: AbortSignal): Promise<void>;
}

/** Options of {@linkcode SystemOpener}. */
export interface SystemOpenerOptions {
  /** Absolute path of another opener. Default: the platform's own. */
  readonly command?: string;
  /** @default {Deno.build.os} */
  readonly os?: string;
  /**
   * An opener that still runs after this long has opened its target: where no browser runs yet, xdg-open becomes the
   * browser. It is then left alone. In milliseconds.
   *
   * @default {10000}
   */
  readonly settleMs?: number;
  /** How long an aborted opener has between TERM and KILL, in milliseconds. @default {2000} */
  readonly killAfterMs?: number;
}

/** How many openers that became the program itself may be running at once before no more are started. */
export const MAX_LEFT_RUNNING = 64;

/**
 * The platform's opener: `xdg-open`, `open`, or `rundll32 url.dll,FileProtocolHandler`.
 *
 * The program is named by a fixed absolute path and never looked up in PATH: whoever can change the environment cannot
 * change what runs, and `--allow-run=` names exactly one file. Installed elsewhere, it is named in the configuration.
 * There is no shell on the way; the target is one argument of its own. The child gets no standard streams and a session
 * of its own, so Ctrl-C on palyra-node does not end the owner's browser.
 */
export class SystemOpener implements Opener {
  readonly command: string;
  readonly #os: string;
  readonly #settleMs: number;
  readonly #killAfterMs: number;
  #leftRunning = 0;

  /** Throws `invalid_config` when the command is not an absolute path. */
  constructor(options: SystemOpenerOptions = {}) {
    this.#os = options.os ?? Deno.build.os;
    this.command = options.command ?? openerCommand(this.#os);
    this.#settleMs = options.settleMs ?? 10_000;
    this.#killAfterMs = options.killAfterMs ?? 2_000;
    if (!isAbsolute(this.command) && this.#os === Deno.build.os) {
      throw new PalyraError(
        "invalid_config",
        "The opener must be the absolute path of a program; write it out in full.",
      );
    }
  }

  async obstacle(): Promise<string | undefined> {
    // To look at the file is a permission of its own that nothing else here needs.
    if (!await isGranted({ name: "read", path: this.command })) return undefined;
    try {
      return (await Deno.stat(this.command)).isFile ? undefined : this.#missingText();
    } catch {
      return this.#missingText();
    }
  }

  async open(target: string, signal: AbortSignal): Promise<void> {
    requireSafeTarget(target);
    if (signal.aborted) throw cancelled(signal);
    if (this.#leftRunning >= MAX_LEFT_RUNNING) {
      throw new PalyraError(
        "capability_unavailable",
        `${MAX_LEFT_RUNNING} programs that were opened before are still running; close some of them on the node.`,
      );
    }
    const child = this.#spawn(openerArguments(this.#os, target));
    const settled = Promise.withResolvers<"settled">();
    const settleTimer = setTimeout(() => settled.resolve("settled"), this.#settleMs);
    let killTimer: ReturnType<typeof setTimeout> | undefined;
    const stop = () => {
      clearTimeout(settleTimer);
      sendSignal(child, "SIGTERM");
      killTimer = setTimeout(() => sendSignal(child, "SIGKILL"), this.#killAfterMs);
    };
    signal.addEventListener("abort", stop, { once: true });
    try {
      const end = await Promise.race([child.status, settled.promise]);
      if (end === "settled") return this.#leave(child);
      if (signal.aborted) throw cancelled(signal);
      if (!end.success) throw exitError(end.code);
    } finally {
      signal.removeEventListener("abort", stop);
      clearTimeout(settleTimer);
      clearTimeout(killTimer);
    }
  }

  #spawn(args: string[]): Deno.ChildProcess {
    const command = new Deno.Command(this.command, {
      args,
      stdin: "null",
      stdout: "null",
      stderr: "null",
      detached: true,
    });
    try {
      return command.spawn();
    } catch (cause) {
      if (cause instanceof Deno.errors.NotFound) {
        throw new PalyraError("capability_unavailable", this.#missingText(), { cause });
      }
      if (cause instanceof Deno.errors.NotCapable) {
        throw new PalyraError(
          "permission_missing",
          `The opener may not be started; start palyra-node with --allow-run=${this.command} and without LD_* variables.`,
          { cause },
        );
      }
      throw new PalyraError("execution_failed", "The opener could not be started; the node's log has the cause.", {
        cause,
      });
    }
  }

  // The owner's browser or editor by now: it outlives the request, and palyra-node if need be.
  #leave(child: Deno.ChildProcess): void {
    this.#leftRunning++;
    child.unref();
    child.status.finally(() => this.#leftRunning--);
  }

  #missingText(): string {
    return `The opener ${this.command} is not on this node; install it (on Linux: xdg-utils) or name another by \`opener\` in palyra-node's palyra.toml.`;
  }
}

/** Where the platform keeps its opener. */
export function openerCommand(os: string): string {
  switch (os) {
    case "windows":
      return "C:\\Windows\\System32\\rundll32.exe";
    case "darwin":
      return "/usr/bin/open";
    default:
      return "/usr/bin/xdg-open";
  }
}

/**
 * The opener's arguments for a target. On Windows a path goes as a file URL: it has no space or quote in it, and
 * rundll32 reads its command line by rules of its own. (`explorer.exe` would split a URL at commas, `cmd` would
 * interpret it.)
 */
export function openerArguments(os: string, target: string): string[] {
  if (os !== "windows") return [target];
  const url = /^https?:\/\//i.test(target) ? target : pathToFileURL(target, { windows: true }).href;
  return ["url.dll,FileProtocolHandler", url];
}

// The capabilities have checked already; this holds also for one that forgot to.
function requireSafeTarget(target: string): void {
  if (/^(?:https?:\/\/|\/(?!\/)|[A-Za-z]:\\)/.test(target) && !/\p{Cc}/u.test(target)) return;
  throw new PalyraError("invalid_input", "Only an http or https URL or an absolute path can be opened.");
}

function cancelled(signal: AbortSignal): PalyraError {
  if (signal.reason instanceof PalyraError) return signal.reason;
  return new PalyraError("cancelled", "The opening was cancelled.", { cause: signal.reason });
}

// The codes of xdg-open; other openers have no documented ones.
function exitError(code: number): PalyraError {
  const why = code === 3
    ? "it found no program for this; install one on the node, or run palyra-node in the desktop session"
    : "check on the node that it opens things by hand";
  return new PalyraError("execution_failed", `The node's opener failed with exit code ${code}: ${why}.`);
}

function sendSignal(child: Deno.ChildProcess, name: Deno.Signal): void {
  try {
    child.kill(name);
  } catch {
    // It has ended in the meantime, which is what the signal was for.
  }
}
