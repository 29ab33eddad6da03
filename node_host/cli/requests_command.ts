import { Option } from "@commander-js/extra-typings";
import { PalyraError } from "../../identity/palyra_error.ts";
import { systemClock } from "../../identity/unix_ms.ts";
import {
  type CliCommand,
  newCommand,
  print,
  printJson,
  reportLine,
  shutdownSignal,
} from "../../transport/program/mod.ts";
import {
  type Answer,
  answersOfFolder,
  channelAddress,
  forgetAnswersOfFolder,
  replies,
  replyTo,
  SHORT_ID,
} from "../mediation/mod.ts";
import {
  eventJson,
  eventLines,
  questionBlock,
  questionJson,
  rememberedJson,
  rememberedLines,
} from "./requests_view.ts";
import { CONFIG_OPTION, configForShortVerb, type SharedOptions, STATE_ROOT_OPTION } from "./shared_options.ts";

const EXAMPLES = [
  { command: "palyra-node requests list", explanation: "what waits for your consent" },
  { command: "palyra-node requests approve k7q2fm", explanation: "let it run, this once" },
  { command: "palyra-node requests watch", explanation: "see questions as they come" },
];

/** `palyra-node requests`: the owner's side of local mediation, wherever the host runs. */
export function requestsCommand(): CliCommand {
  const command = newCommand("requests", "Decide what the daemon may do on this machine.", EXAMPLES);
  command.addCommand(listCommand());
  command.addCommand(approveCommand());
  command.addCommand(denyCommand());
  command.addCommand(watchCommand());
  command.addCommand(rememberedCommand());
  command.addCommand(forgetCommand());
  return command;
}

function listCommand() {
  return newCommand("list", "Show what waits for your consent.", [
    { command: "palyra-node requests list", explanation: "in full, with the answers that are possible" },
  ])
    .option(...STATE_ROOT_OPTION)
    .option(...CONFIG_OPTION)
    .action(async (options) => {
      const { stateFolder } = await configForShortVerb(options);
      const { questions } = await replyTo(channelAddress(stateFolder), { op: "list" }, "questions");
      if (options.json === true) return printJson({ questions: questions.map(questionJson) });
      if (questions.length === 0) return print("Nothing waits for your consent.");
      for (const line of questions.flatMap((question) => questionBlock(question, systemClock()))) print(line);
    });
}

function approveCommand() {
  return newCommand("approve", "Let a request run.", [
    { command: "palyra-node requests approve k7q2fm", explanation: "this once" },
    {
      command: "palyra-node requests approve k7q2fm --remember always",
      explanation: "and what its origin or folder covers from now on",
    },
  ])
    .argument("<question>", "the question's id, as `list` shows it")
    .addOption(
      new Option(
        "--remember <how-long>",
        "do not ask again about the same origin (open_url) or folder (open_path)",
      ).choices(["session", "always"] as const),
    )
    .option(...STATE_ROOT_OPTION)
    .option(...CONFIG_OPTION)
    .action(async (id, options) => {
      await answer(id, options.remember ?? "once", options);
    });
}

function denyCommand() {
  return newCommand("deny", "Refuse a request.", [
    { command: "palyra-node requests deny k7q2fm", explanation: "this once" },
    { command: "palyra-node requests deny k7q2fm --forever", explanation: "and what its origin or folder covers" },
  ])
    .argument("<question>", "the question's id, as `list` shows it")
    .option("--forever", "refuse the same origin (open_url) or folder (open_path) from now on, without asking")
    .option(...STATE_ROOT_OPTION)
    .option(...CONFIG_OPTION)
    .action(async (id, options) => {
      await answer(id, options.forever === true ? "never" : "no", options);
    });
}

async function answer(
  text: string,
  answer: Answer,
  options: SharedOptions & { readonly json?: true },
): Promise<void> {
  const id = parseId(text);
  const { stateFolder } = await configForShortVerb(options);
  await replyTo(channelAddress(stateFolder), { op: "answer", id, answer }, "done");
  if (options.json === true) printJson({ action: "answer", id, answer });
  else print(`Answered: ${answer}.`);
}

function watchCommand() {
  return newCommand("watch", "Show questions as they come, and what becomes of them, until Ctrl-C.", [
    {
      command: "palyra-node requests watch --json",
      explanation: "one JSON document a line, for programs that ask you",
    },
  ])
    .option(...STATE_ROOT_OPTION)
    .option(...CONFIG_OPTION)
    .action(async (options) => {
      const { stateFolder } = await configForShortVerb(options);
      using shutdown = shutdownSignal();
      for await (const reply of replies(channelAddress(stateFolder), { op: "watch" }, shutdown.signal)) {
        if (options.json === true) printJson(eventJson(reply));
        else for (const line of eventLines(reply, systemClock())) print(line);
      }
      if (!shutdown.signal.aborted) reportLine("palyra-node has stopped.");
    });
}

function rememberedCommand() {
  return newCommand("remembered", "Show the answers that hold for more than one request.", [
    { command: "palyra-node requests remembered", explanation: "with the ids that `forget` takes" },
  ])
    .option(...STATE_ROOT_OPTION)
    .option(...CONFIG_OPTION)
    .action(async (options) => {
      const { stateFolder } = await configForShortVerb(options);
      const answers = await answersOfFolder(stateFolder);
      if (options.json === true) return printJson({ answers: answers.map(rememberedJson) });
      if (answers.length === 0) return print("No answer is remembered.");
      for (const line of rememberedLines(answers, systemClock())) print(line);
    });
}

function forgetCommand() {
  return newCommand("forget", "Withdraw remembered answers: you are asked again.", [
    { command: "palyra-node requests forget k7q2fm", explanation: "that one" },
    { command: "palyra-node requests forget --all", explanation: "every one" },
  ])
    .argument("[answer...]", "ids, as `remembered` shows them")
    .option("--all", "every remembered answer")
    .option(...STATE_ROOT_OPTION)
    .option(...CONFIG_OPTION)
    .action(async (texts, options) => {
      if ((texts.length > 0) === (options.all === true)) {
        throw new PalyraError("invalid_argument", "Name the answers to forget, or give --all.");
      }
      const { stateFolder } = await configForShortVerb(options);
      const ids = options.all === true
        ? (await answersOfFolder(stateFolder)).map(({ id }) => id)
        : texts.map((text) => parseId(text));
      const forgotten = ids.length === 0 ? [] : await forgetAnswersOfFolder(stateFolder, ids);
      if (options.json === true) return printJson({ action: "forget", answers: forgotten.map(rememberedJson) });
      print(
        forgotten.length === 0 ? "No answer is remembered." : `Forgotten: ${forgotten.length}. You are asked again.`,
      );
    });
}

function parseId(text: string): string {
  const id = text.trim().toLowerCase();
  if (SHORT_ID.test(id)) return id;
  throw new PalyraError(
    "invalid_argument",
    "An id has six characters, like k7q2fm; `palyra-node requests list` shows those of questions, `remembered` those of answers.",
  );
}
