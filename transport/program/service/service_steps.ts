import { PalyraError } from "../../../identity/palyra_error.ts";
import { type CommandRunner, commandText, firstLine } from "./command_runner.ts";
import type { ServiceStep } from "./service_manager.ts";

/**
 * Runs commands one after the other, and stops at the first that fails and may not. Rejects with
 * `service_command_failed`, which names the command, what it said, and where to read more.
 */
export async function runSteps(steps: readonly ServiceStep[], runner: CommandRunner, logs: string): Promise<void> {
  for (const step of steps) {
    // deno-lint-ignore no-await-in-loop -- each builds on the one before
    const { code, stderr } = await runner.run(step);
    if (code === 0 || step.mayFail === true) continue;
    throw new PalyraError(
      "service_command_failed",
      `\`${commandText(step)}\` failed with ${code} (${firstLine(stderr)}). The log may tell more: ${logs}`,
    );
  }
}
