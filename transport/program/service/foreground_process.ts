import { setTimeout as delay } from "node:timers/promises";
import { PalyraError } from "../../../identity/palyra_error.ts";
import { isProcessRunning, type ProcessMark } from "../process_mark.ts";
import { type CommandLine, type CommandRunner, systemRunner } from "./command_runner.ts";
import { stopProgram } from "./service_programs.ts";

/** How long a program has to end in order, in milliseconds: three times what running work is given. */
const STOP_TIMEOUT_MS = 30_000;
const LOOK_EVERY_MS = 50;

/** What {@linkcode stopProcess} may be given. */
export interface StopOptions {
  /** Ends the waiting, not the stopping. */
  readonly signal?: AbortSignal;
  readonly runner?: CommandRunner;
}

/**
 * Asks a process to stop (SIGTERM; on Windows it is ended) and waits until it has. Only that very process is ever
 * signalled: one that got its number since then is left alone.
 *
 * Rejects with `permission_missing` when it is another user's or Deno may not signal it, and with `deadline_exceeded`
 * when it has not ended within 30 seconds.
 */
export async function stopProcess(
  mark: ProcessMark,
  stateFolder: string,
  { signal, runner = systemRunner }: StopOptions = {},
): Promise<void> {
  // Right before the signal: the caller may have looked long ago.
  if (!isProcessRunning(mark, stateFolder)) return;
  try {
    await sendStop(mark, runner);
  } catch (error) {
    // It may have ended in the meantime, which is what the signal was for.
    if (isProcessRunning(mark, stateFolder)) throw error;
    return;
  }
  const deadline = performance.now() + STOP_TIMEOUT_MS;
  while (isProcessRunning(mark, stateFolder)) {
    if (performance.now() > deadline) {
      throw new PalyraError(
        "deadline_exceeded",
        `The process ${mark.pid} was asked to stop and still runs; \`kill -KILL ${mark.pid}\` ends it at once.`,
      );
    }
    // deno-lint-ignore no-await-in-loop -- the system tells no one but its parent that a process has ended
    await delay(LOOK_EVERY_MS, undefined, { signal });
  }
}

/** By Deno itself, which takes `--allow-run` without a list; else by the system's command for it, which a list can hold. */
async function sendStop(mark: ProcessMark, runner: CommandRunner): Promise<void> {
  try {
    Deno.kill(mark.pid, "SIGTERM");
  } catch (error) {
    if (error instanceof Deno.errors.PermissionDenied) throw othersProcess(mark, error);
    if (!(error instanceof Deno.errors.NotCapable)) throw error;
    const { code, stderr } = await runner.run(stopCommandOf(mark)).catch((cause) => {
      throw notSignalled(mark, cause);
    });
    if (code !== 0) throw othersProcess(mark, stderr);
  }
}

function stopCommandOf({ pid }: ProcessMark): CommandLine {
  const command = stopProgram(Deno.build.os);
  return { command, args: Deno.build.os === "windows" ? ["/PID", String(pid), "/F"] : ["-TERM", String(pid)] };
}

/** A program that may start nothing, or a machine without that command; a shell has one of its own. */
function notSignalled(mark: ProcessMark, cause: unknown): PalyraError {
  const { command, args } = stopCommandOf(mark);
  const byHand = Deno.build.os === "windows" ? `taskkill ${args.join(" ")}` : `kill ${mark.pid}`;
  return new PalyraError(
    "permission_missing",
    `This program may signal no other process, nor could it start ${command} to do it: \`${byHand}\` stops it.`,
    { cause },
  );
}

function othersProcess({ pid }: ProcessMark, cause: unknown): PalyraError {
  return new PalyraError(
    "permission_missing",
    `The process ${pid} belongs to another user: stop it as that user, or as root.`,
    { cause },
  );
}
