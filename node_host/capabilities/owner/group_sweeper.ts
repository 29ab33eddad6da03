import { childCommand, programUrl } from "./child_command.ts";

/**
 * Ends a process group: what a capability that may start programs has started, in whatever state it is. Deno lets a
 * process send signals to others only when it may run everything. palyra-node may not, so it starts another one for this,
 * which does nothing else. That one ends the group as well when palyra-node is gone.
 *
 * On Windows there are no groups; what was started there is left to itself.
 */
export class GroupSweeper implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly #orders: WritableStreamDefaultWriter<Uint8Array>;

  /** `leader` is the id of a process that was started as the first one of a group. Throws what `Deno.Command` throws. */
  constructor(leader: number) {
    const program = programUrl(`(${sweeperProgram})(${leader});`);
    this.#process = childCommand(program, { flags: ["--allow-run"], output: "null" }).spawn();
    this.#orders = this.#process.stdin.getWriter();
  }

  /** Asks the group to end (TERM). */
  terminate(): void {
    this.#orders.write(Uint8Array.of(1)).catch(() => {});
  }

  /** Ends the group (KILL); resolves once that is done. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#orders.close().catch(() => {});
    await this.#process.status;
  }
}

/** The text of this function is what the process is started with, so it uses nothing from outside itself. */
function sweeperProgram(leader: number): void {
  // The number stays the group's as long as anybody is in it.
  const signalGroup = (name: Deno.Signal) => {
    try {
      Deno.kill(-leader, name);
    } catch {
      // Nobody is left.
    }
  };
  const orders = new WritableStream({ write: () => signalGroup("SIGTERM") });
  void Deno.stdin.readable.pipeTo(orders).finally(() => signalGroup("SIGKILL"));
}
