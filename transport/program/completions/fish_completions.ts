import { type CompletionOption, type CompletionPoint, functionName, verbsKey } from "./completion_point.ts";

/** The completion script for fish: `~/.config/fish/completions/palyrad.fish`. */
export function fishCompletions(program: string, points: readonly CompletionPoint[]): string {
  const name = `_${functionName(program)}_at`;
  return `# Completions of ${program} for fish. Once: ${program} completions fish > ~/.config/fish/completions/${program}.fish
function ${name} --description 'Whether the command line is behind exactly these words'
    set -l verbs
    set -l skip
    for word in (commandline -opc)[2..-1]
        if test -n "$skip"
            set skip
            continue
        end
        switch "$verbs $word"
            case ${points.flatMap(below).join(" ")}
                set verbs "$verbs $word"
        end
        switch "$verbs:$word"
            case ${points.flatMap(valued).join(" ")}
                set skip 1
        end
    end
    test "$verbs" = "$argv[1]"
end
complete -c ${program} -f
${points.flatMap((point) => completeLines(program, name, point)).join("\n")}
`;
}

function below({ verbs, commands }: CompletionPoint): string[] {
  return commands.map(({ word }) => fishQuoted(verbsKey([...verbs, word])));
}

function valued({ verbs, options }: CompletionPoint): string[] {
  return options.filter(({ value }) => value !== "none").flatMap(({ names }) =>
    names.map((name) => fishQuoted(`${verbsKey(verbs)}:${name}`))
  );
}

function completeLines(program: string, name: string, point: CompletionPoint): string[] {
  const start = `complete -c ${program} -n ${fishQuoted(`${name} ${fishQuoted(verbsKey(point.verbs))}`)}`;
  return [
    ...point.commands.map(({ word, description }) => `${start} -a ${word} -d ${fishQuoted(description)}`),
    ...point.choices.map((word) => `${start} -a ${word}`),
    ...(point.takesPaths ? [`${start} -F`] : []),
    ...point.options.map((option) => `${start} ${optionText(option)}`),
  ];
}

function optionText({ names, description, value, choices }: CompletionOption): string {
  const flags = names.map((name) => name.startsWith("--") ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`);
  const follows =
    { none: [], choice: [`-x -a ${fishQuoted(choices.join(" "))}`], path: ["-r -F"], other: ["-x"] }[value];
  return [...flags, ...follows, `-d ${fishQuoted(description)}`].join(" ");
}

function fishQuoted(text: string): string {
  return `'${text.replaceAll(/['\\]/g, "\\$&")}'`;
}
