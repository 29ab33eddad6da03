import { type CompletionPoint, functionName, verbsKey } from "./completion_point.ts";
import { caseLines, optionPatterns, shellQuoted, skipCase, verbCase } from "./shell_cases.ts";

/** The completion script for bash (3.2 and later): `source <(palyrad completions bash)`. */
export function bashCompletions(program: string, points: readonly CompletionPoint[]): string {
  const name = functionName(program);
  return `# Completions of ${program} for bash. In ~/.bashrc: source <(${program} completions bash)
${name}() {
  local current=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD-1]} verbs='' skip='' word i
  # "--option=value" comes as three words.
  if [[ $current == '=' ]]; then current=''; elif [[ $before == '=' ]]; then before=\${COMP_WORDS[COMP_CWORD-2]}; fi
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    if [[ -n $skip ]]; then skip=''; continue; fi
    case "$verbs $word" in
${caseLines(points, verbCase)}
    esac
    case "$verbs:$word" in
${caseLines(points, skipCase)}
    esac
  done
  COMPREPLY=()
  case "$verbs:$before" in
${caseLines(points, choiceCases)}
${caseLines(points, pathCase)}
${caseLines(points, otherCase)}
  esac
  local words=''
  case "$verbs" in
${points.map(wordsCase).join("\n")}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F ${name} ${program}
`;
}

function choiceCases(point: CompletionPoint): string {
  return point.options.filter(({ value }) => value === "choice").map((option) => {
    const reply = `COMPREPLY=($(compgen -W ${shellQuoted(option.choices.join(" "))} -- "$current"))`;
    return `    ${optionPatterns(point, [option])}) ${reply}; return ;;`;
  }).join("\n");
}

/** Nothing to reply: bash completes files by itself then. */
function pathCase(point: CompletionPoint): string {
  const pattern = optionPatterns(point, point.options.filter(({ value }) => value === "path"));
  return pattern === "" ? "" : `    ${pattern}) return ;;`;
}

/** Nothing to reply, and no files either; bash 3.2 cannot be told so. */
function otherCase(point: CompletionPoint): string {
  const pattern = optionPatterns(point, point.options.filter(({ value }) => value === "other"));
  return pattern === "" ? "" : `    ${pattern}) compopt +o default 2>/dev/null; return ;;`;
}

function wordsCase(point: CompletionPoint): string {
  const words = [
    ...point.commands.map(({ word }) => word),
    ...point.choices,
    ...point.options.flatMap(({ names }) => names.filter((name) => name.startsWith("--"))),
  ];
  const act = point.takesPaths ? "if [[ $current != -* ]]; then return; fi; " : "";
  return `    ${shellQuoted(verbsKey(point.verbs))}) ${act}words=${shellQuoted(words.join(" "))} ;;`;
}
