/** Writes a line of a test's findings where a reader of its output sees it. */
export function say(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
}
