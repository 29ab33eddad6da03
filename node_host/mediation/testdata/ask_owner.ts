// Asks its owner on the terminal about each argument, all at once, when SIGUSR1 comes; SIGUSR2 has a command answer the
// oldest question with no. Prints each answer, and at the end how the terminal is set.
import { PalyraError } from "../../../identity/palyra_error.ts";
import { systemClock, unixMs } from "../../../identity/unix_ms.ts";
import { print } from "../../../transport/program/mod.ts";
import { ownTerminal } from "../own_terminal.ts";
import { QuestionDesk } from "../question_desk.ts";
import { TerminalAsker } from "../terminal_asker.ts";

const [timeoutMs = "60000", ...summaries] = Deno.args;
const desk = new QuestionDesk();
const terminal = ownTerminal();
if (terminal === undefined) throw new Error("there is no terminal");
const asker = new TerminalAsker({ desk, terminal, asker: "the daemon at gateway:7444" });

const asked = Promise.withResolvers<void>();
Deno.addSignalListener("SIGUSR1", () => asked.resolve());
Deno.addSignalListener("SIGUSR2", () => desk.answer(desk.waiting[0]?.id ?? "", "no", "command"));
print(`pid ${Deno.pid}.`);
await asked.promise;

await Promise.all(summaries.map(async (summary) => {
  const question = {
    capability: "desktop.open_url",
    summary,
    requestedBy: "ops",
    requestId: undefined,
    scope: { kind: "origin", value: "https://example.com" },
    expiresAt: unixMs(systemClock() + Number(timeoutMs)),
  } as const;
  const answer = await desk.ask(question, new AbortController().signal, () => {})
    .catch((thrown) => PalyraError.from(thrown).code);
  print(`${summary}: <${answer}>`);
}));
asker[Symbol.dispose]();
await new Deno.Command("stty", { args: ["-a"], stdin: "inherit", stdout: "inherit" }).spawn().status;
Deno.exit(0);
