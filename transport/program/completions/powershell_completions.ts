import { type CompletionOption, type CompletionPoint, verbsKey } from "./completion_point.ts";

/** The completion script for PowerShell (5.1 and later): dot-sourced, or run in the profile. */
export function powershellCompletions(program: string, points: readonly CompletionPoint[]): string {
  return `# Completions of ${program} for PowerShell. In $PROFILE: ${program} completions powershell | Out-String | Invoke-Expression
Register-ArgumentCompleter -Native -CommandName ${quoted(program)} -ScriptBlock {
  param($wordToComplete, $commandAst, $cursorPosition)
  # What can come behind which words, and what it is.
  $offered = @{
${points.map(offered).join("\n")}
  }
  # What can follow which option; nothing for what only the user knows, and then PowerShell offers files.
  $values = @{
${points.flatMap(values).join("\n")}
  }
  $verbs = ''
  $before = ''
  foreach ($element in ($commandAst.CommandElements | Select-Object -Skip 1)) {
    if ($element.Extent.EndOffset -ge $cursorPosition -and $wordToComplete -ne '') { break }
    $word = $element.ToString()
    $skip = $values.ContainsKey("\${verbs}:$before")
    $before = $word
    if ($skip) { $before = ''; continue }
    if ($offered.ContainsKey("$verbs $word")) { $verbs = "$verbs $word" }
  }
  if ($values.ContainsKey("\${verbs}:$before")) {
    return $values["\${verbs}:$before"] | Where-Object { $_ -like "$wordToComplete*" } | ForEach-Object {
      [System.Management.Automation.CompletionResult]::new($_, $_, 'ParameterValue', $_)
    }
  }
  $offered[$verbs] | Where-Object { $_[0] -like "$wordToComplete*" } | ForEach-Object {
    [System.Management.Automation.CompletionResult]::new($_[0], $_[0], 'ParameterValue', $_[1])
  }
}
`;
}

function offered(point: CompletionPoint): string {
  const words = [
    ...point.commands,
    ...point.choices.map((word) => ({ word, description: word })),
    ...point.options.flatMap(({ names, description }) =>
      names.filter((name) => name.startsWith("--")).map((word) => ({ word, description }))
    ),
  ];
  // A tool tip must not be empty.
  const pairs = words.map(({ word, description }) => `@(${quoted(word)}, ${quoted(description || word)})`);
  return `    ${quoted(verbsKey(point.verbs))} = @(${pairs.join(", ")})`;
}

function values(point: CompletionPoint): string[] {
  return point.options.filter(({ value }) => value !== "none").flatMap((option) =>
    option.names.map((name) => `    ${quoted(`${verbsKey(point.verbs)}:${name}`)} = ${choiceList(option)}`)
  );
}

function choiceList({ choices }: CompletionOption): string {
  return `@(${choices.map(quoted).join(", ")})`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
