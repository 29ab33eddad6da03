import { type CliCommand, newCommand } from "../cli_command.ts";
import { print, printJson } from "../cli_output.ts";
import { outlineCommand } from "../command_outline.ts";
import { PalyraError } from "../../../identity/palyra_error.ts";
import type { SettingsByKey } from "../setting.ts";
import { bashCompletions } from "./bash_completions.ts";
import { type CompletionPoint, completionPoints } from "./completion_point.ts";
import { fishCompletions } from "./fish_completions.ts";
import { powershellCompletions } from "./powershell_completions.ts";
import { zshCompletions } from "./zsh_completions.ts";

type Generator = (program: string, points: readonly CompletionPoint[]) => string;

const GENERATORS: ReadonlyMap<string, Generator> = new Map([
  ["bash", bashCompletions],
  ["zsh", zshCompletions],
  ["fish", fishCompletions],
  ["powershell", powershellCompletions],
]);

/**
 * Adds `completions <bash|zsh|fish|powershell>` to a program's root: a script that completes every command and option,
 * made from the commands themselves. `settings` are the program's; their choices are completed too.
 */
export function addCompletions<Root extends CliCommand>(root: Root, settings: SettingsByKey): Root {
  const program = root.name();
  const command = newCommand("completions", "Print a script that completes this program's commands in a shell.", [
    { command: `source <(${program} completions bash)`, explanation: "in ~/.bashrc" },
    { command: `source <(${program} completions zsh)`, explanation: "in ~/.zshrc, behind compinit" },
    { command: `${program} completions fish > ~/.config/fish/completions/${program}.fish`, explanation: "once" },
    { command: `${program} completions powershell | Out-String | Invoke-Expression`, explanation: "in $PROFILE" },
  ]);
  command
    .argument("<bash|zsh|fish|powershell>", "the shell")
    .action((shell, options) => {
      const generate = GENERATORS.get(shell);
      if (generate === undefined) {
        throw new PalyraError("invalid_argument", `There are completions for ${[...GENERATORS.keys()].join(", ")}.`);
      }
      const script = generate(program, completionPoints(outlineCommand(root, settings)));
      if (options.json === true) printJson({ shell, script });
      else print(script.trimEnd());
    });
  root.addCommand(command);
  return root;
}
