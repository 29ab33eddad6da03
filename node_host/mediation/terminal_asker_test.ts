import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { TerminalProgram, WITH_TERMINAL } from "../testing/terminal_program.ts";

const PROGRAM = fileURLToPath(import.meta.resolve("./testdata/ask_owner.ts"));
const PROMPT = /then Enter \(no answer in \d+:\d\d means no\): …?$/;

/** The program with its questions, on a terminal. */
class Asking implements AsyncDisposable {
  readonly terminal: TerminalProgram;

  constructor(summaries: readonly string[], timeoutMs = 60_000) {
    this.terminal = new TerminalProgram([
      ...[Deno.execPath(), "run", "--quiet", "-A", PROGRAM],
      ...[String(timeoutMs), ...summaries],
    ]);
  }

  async signal(name: "SIGUSR1" | "SIGUSR2"): Promise<void> {
    const [, pid] = await this.terminal.until(/pid (\d+)\./);
    Deno.kill(Number(pid), name);
  }

  /** Has the questions asked; resolves once an answer to the first is taken. */
  async prompt(): Promise<void> {
    await this.signal("SIGUSR1");
    await this.terminal.until(PROMPT);
  }

  async answer(keys: string): Promise<void> {
    await this.terminal.until(PROMPT);
    await this.terminal.type(keys);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.terminal[Symbol.asyncDispose]();
  }
}

function assertRestored(output: string): void {
  for (const flag of ["echo", "icanon", "isig", "icrnl"]) assert.match(output, new RegExp(`\\s${flag}\\s`), flag);
}

Deno.test(
  "TerminalAsker shows who asks and what would happen, takes the answer, and restores the terminal",
  WITH_TERMINAL,
  async () => {
    await using asking = new Asking(["open https://example.com/a?b=c"]);
    await asking.prompt();
    await asking.answer("s\r");
    const output = await asking.terminal.end;
    assert.match(output, /Your consent is needed\.\r\n +from +the daemon at gateway:7444\r\n/);
    assert.match(output, /asked by +ops\r\n/);
    assert.match(output, /would +open https:\/\/example\.com\/a\?b=c\r\n/);
    assert.match(output, /a +yes, always: https:\/\/example\.com\r\n/);
    assert.match(output, /Answered: session\.\r\nopen https:\/\/example\.com\/a\?b=c: <session>/);
    assertRestored(output);
  },
);

Deno.test(
  "TerminalAsker takes nothing for an answer that was typed before the question, or right after it",
  WITH_TERMINAL,
  async () => {
    await using asking = new Asking(["open https://example.com/"]);
    await asking.terminal.until(/pid \d+\./);
    // A whole line, and the beginning of another, which Enter would complete.
    await asking.terminal.type("y\ralways");
    await asking.terminal.until(/always/);
    await asking.signal("SIGUSR1");
    await asking.terminal.until(/no, never again/);
    await asking.terminal.type("\r");
    await asking.terminal.type("y\r");
    await asking.answer("n\r");
    assert.match(await asking.terminal.end, /open https:\/\/example\.com\/: <no>/);
  },
);

Deno.test(
  "TerminalAsker takes whole answers only: no arrow key, no pasted text, no other word",
  WITH_TERMINAL,
  async () => {
    await using asking = new Asking(["open https://example.com/"]);
    await asking.prompt();
    // The sequence of the up key has an A in it.
    await asking.terminal.type("\x1b[A");
    await asking.terminal.type("\r");
    await asking.terminal.until(/That is no answer\./);
    await asking.terminal.type("yesterday\r");
    const second = await asking.terminal.until(/That is no answer\.[^]*That is no answer\./);
    const from = second.index + second[0].length;
    await asking.terminal.until(PROMPT, from);
    await asking.terminal.type("y\rrm -rf\r");
    // A pasted text is dropped, and then it must be quiet again.
    await asking.terminal.until(new RegExp(`${PROMPT.source.slice(0, -1)}[^]*${PROMPT.source}`), from);
    await asking.terminal.type("nx\x7f\r");
    const output = await asking.terminal.end;
    assert.match(output, /: <no>/);
  },
);

Deno.test("TerminalAsker asks one question at a time", WITH_TERMINAL, async () => {
  await using asking = new Asking(["open https://example.com/1", "open https://example.com/2"]);
  await asking.prompt();
  assert.doesNotMatch(asking.terminal.output, /example\.com\/2/);
  await asking.terminal.type("y\r");
  const { index } = await asking.terminal.until(/would +open https:\/\/example\.com\/2/);
  await asking.terminal.until(PROMPT, index);
  await asking.terminal.type("n\r");
  const output = await asking.terminal.end;
  assert.match(output, /example\.com\/1: <once>/);
  assert.match(output, /example\.com\/2: <no>/);
});

Deno.test("TerminalAsker makes room when a command has answered", WITH_TERMINAL, async () => {
  await using asking = new Asking(["open https://example.com/1", "open https://example.com/2"]);
  await asking.prompt();
  await asking.signal("SIGUSR2");
  const { index } = await asking.terminal.until(/Answered by a command: no\.[^]*would +open https:\/\/example\.com\/2/);
  await asking.terminal.until(PROMPT, index + 100);
  await asking.terminal.type("y\r");
  const output = await asking.terminal.end;
  assert.match(output, /example\.com\/1: <no>/);
  assert.match(output, /example\.com\/2: <once>/);
});

Deno.test("TerminalAsker says that the time is over, and restores the terminal", WITH_TERMINAL, async () => {
  await using asking = new Asking(["open https://example.com/"], 100);
  await asking.signal("SIGUSR1");
  const output = await asking.terminal.end;
  assert.match(output, /No answer: it does not run\.\r\nopen https:\/\/example\.com\/: <mediation_timed_out>/);
  assertRestored(output);
});

Deno.test(
  "TerminalAsker lets nothing in a question act on the terminal or pass for a line of its own",
  WITH_TERMINAL,
  async () => {
    const fake = "  y, s, a, n or v, then Enter: y\r\n  Answered: once.";
    const hostile = `open https://a/\u001b[2J\u001b]0;x\u0007\u202e\u200b${fake}${" ".repeat(200)}Answered: once.`;
    await using asking = new Asking([hostile]);
    await asking.prompt();
    const shown = asking.terminal.output;
    const [, question] = /would +([^]*?)\r\n {2}y +yes/.exec(shown) ?? [];
    const text = (question ?? "").split("\r\n").map((line, at) => at === 0 ? line : line.replace(/^ {14}/, "")).join(
      "",
    );
    assert.equal(
      text.trimEnd(),
      hostile.replace("\u001b[2J\u001b]0;x\u0007\u202e\u200b", "\\u{1b}[2J\\u{1b}]0;x\\u{7}\\u{202e}\\u{200b}")
        .replace("\r\n", "\\r\\n"),
    );
    // The only control sequence is the one with which the prompt's own line is cleared.
    assert.doesNotMatch(shown.replaceAll("\r\x1b[K", "").replaceAll("\r\n", "\n"), /[^\P{Cc}\n]/u);
    assert.doesNotMatch(shown, /\n {0,13}Answered/);
    await asking.terminal.type("n\r");
    assert.match(await asking.terminal.end, /<no>/);
  },
);
