import { PalyraError } from "../../identity/palyra_error.ts";

/** How {@linkcode runTool} runs a tool. */
export interface ToolOptions {
  readonly cwd?: string;
  /** More environment variables. */
  readonly env?: Readonly<Record<string, string>>;
}

/** What a tool that has ended left behind. */
export interface ToolEnd {
  readonly success: boolean;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a tool of the build to its end, whatever that is. */
export async function tryTool(command: string, args: readonly string[], options: ToolOptions = {}): Promise<ToolEnd> {
  const env = { NO_COLOR: "1", ...options.env };
  const child = new Deno.Command(command, { ...options, args: [...args], env, stdin: "null" });
  const { success, stdout, stderr } = await child.output();
  const decoder = new TextDecoder();
  return { success, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

/** The standard output of a tool; rejects with `execution_failed` and what it said when it fails. */
export async function runTool(command: string, args: readonly string[], options: ToolOptions = {}): Promise<string> {
  const { success, stdout, stderr } = await tryTool(command, args, options);
  if (success) return stdout;
  throw new PalyraError("execution_failed", `${command} ${args.join(" ")} failed: ${inOneLine(stderr)}`);
}

/** What a tool said, as part of a message. */
export function inOneLine(text: string): string {
  return text.trim().replaceAll(/\s*\n\s*/g, " | ");
}
