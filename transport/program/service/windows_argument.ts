/**
 * One argument of a Windows command line, quoted so that a program that splits it by the usual rules (CommandLineToArgvW)
 * gets it back unchanged: backslashes are doubled before a quotation mark and nowhere else.
 */
export function windowsArgument(argument: string): string {
  if (/^[^\s"]+$/.test(argument)) return argument;
  const escaped = argument.replaceAll(/(\\*)"/g, '$1$1\\"').replace(/(\\+)$/, "$1$1");
  return `"${escaped}"`;
}
