import { type CompletionOption, type CompletionPoint, functionName, verbsKey } from "./completion_point.ts";
import { caseLines, optionPatterns, shellQuoted, skipCase, verbCase } from "./shell_cases.ts";

/** The completion script for zsh: a file `_palyrad` on the `fpath`, or `source <(palyrad completions zsh)`. */
export function zshCompletions(program: string, points: readonly CompletionPoint[]): string {
  const name = functionName(program);
  return `#compdef ${program}
# Completions of ${program} for zsh. In ~/.zshrc, behind compinit: source <(${program} completions zsh)
${name}() {
  local verbs='' skip='' word before=\${words[CURRENT-1]}
  local -a offered options
  for word in "\${(@)words[2,CURRENT-1]}"; do
    if [[ -n $skip ]]; then skip=''; continue; fi
    case "$verbs $word" in
${caseLines(points, verbCase)}
    esac
    case "$verbs:$word" in
${caseLines(points, skipCase)}
    esac
  done
  case "$verbs:$before" in
${caseLines(points, answerCases)}
  esac
  case "$verbs" in
${points.map(offerCase).join("\n")}
  esac
  if [[ $PREFIX == -* ]]; then _describe -o option options; else _describe word offered; fi
}
if [[ $funcstack[1] == ${name} ]]; then ${name} "$@"; else compdef ${name} ${program}; fi
`;
}

function answerCases(point: CompletionPoint): string {
  return point.options.filter(({ value }) => value !== "none").map((option) =>
    `    ${optionPatterns(point, [option])}) ${answerTo(option)} ;;`
  ).join("\n");
}

function answerTo({ value, choices }: CompletionOption): string {
  if (value === "choice") return `compadd -- ${choices.map(shellQuoted).join(" ")}; return`;
  return value === "path" ? "_files; return" : "_message value; return";
}

function offerCase(point: CompletionPoint): string {
  const offered = [...point.commands, ...point.choices.map((word) => ({ word, description: "" }))].map(described);
  const options = point.options.flatMap(({ names, description }) =>
    names.map((word) => described({ word, description }))
  );
  const files = point.takesPaths ? "if [[ $PREFIX != -* ]]; then _files; return; fi; " : "";
  return `    ${shellQuoted(verbsKey(point.verbs))}) ${files}offered=(${offered.join(" ")}); options=(${
    options.join(" ")
  }) ;;`;
}

/** For `_describe`: a word, a colon, what it is. */
function described({ word, description }: { readonly word: string; readonly description: string }): string {
  return shellQuoted(description === "" ? word : `${word}:${description}`);
}
