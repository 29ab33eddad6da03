import type { ScriptedHost } from "../../node_host/testing/scripted_host.ts";
import { RunningProgram } from "../harness/program.ts";
import { residentBytes } from "../harness/process_memory.ts";
import type { StartupBuild } from "./startup_build.ts";

/** One start. */
export interface StartupSample {
  /** From the start of the process until it was where the scenario wants it. */
  readonly ms: number;
  /** What it had resident then; undefined for a process that had ended. */
  readonly residentBytes: number | undefined;
}

/** A way of starting that is measured. */
export interface StartupScenario {
  readonly name: string;
  /** What has to be on the disk for it, in bytes; undefined where that is not told. */
  readonly sizeBytes: number | undefined;
  once(): Promise<StartupSample>;
}

/** A command line that is run to its end. */
export function toItsEnd(name: string, command: readonly string[], sizeBytes?: number): StartupScenario {
  return {
    name,
    sizeBytes,
    async once() {
      const start = performance.now();
      const { code } = await commandOf(command).spawn().status;
      if (code !== 0) throw new Error(`${command.join(" ")} ended with ${code}`);
      return { ms: performance.now() - start, residentBytes: undefined };
    },
  };
}

/** A command line until it has written a line that matches; it is ended then. */
export function toALine(
  name: string,
  command: readonly string[],
  matches: (line: string) => boolean,
  sizeBytes?: number,
): StartupScenario {
  return {
    name,
    sizeBytes,
    async once() {
      const start = performance.now();
      const running = RunningProgram.spawn(commandOf(command, "piped"));
      await running.line(matches);
      const ms = performance.now() - start;
      const bytes = await residentBytes(running.pid);
      await running.stop();
      return { ms, residentBytes: bytes };
    },
  };
}

/** palyra-node of a build until a daemon in this process has welcomed it over QUIC; it is stopped then. */
export function toWelcomed(
  name: string,
  build: StartupBuild,
  host: ScriptedHost,
  sizeBytes: number,
): StartupScenario {
  return {
    name,
    sizeBytes,
    async once() {
      const start = performance.now();
      await using running = await host.run([...build.command("palyra-node"), "run"]);
      const ms = performance.now() - start;
      // It has read the Welcome once it answers.
      await running.invoke("echo", 0);
      return { ms, residentBytes: await residentBytes(running.pid) };
    },
  };
}

function commandOf([program = "", ...args]: readonly string[], output: "null" | "piped" = "null"): Deno.Command {
  return new Deno.Command(program, { args, env: { NO_COLOR: "1" }, stdin: "null", stdout: output, stderr: output });
}
