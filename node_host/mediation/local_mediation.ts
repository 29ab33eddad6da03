import { getLogger } from "@logtape/logtape";
import type { Mediator } from "../capabilities/mediator.ts";
import { PalyraError } from "../../identity/palyra_error.ts";
import { type Clock, systemClock } from "../../identity/unix_ms.ts";
import { AnswerChannel } from "./answer_channel.ts";
import { channelAddress } from "./channel_address.ts";
import { OwnerMediator } from "./owner_mediator.ts";
import type { QuestionTerminal } from "./own_terminal.ts";
import { QuestionDesk } from "./question_desk.ts";
import { RememberedAnswers } from "./remembered_answers.ts";
import { TerminalAsker } from "./terminal_asker.ts";

const logger = getLogger(["palyra", "node_host", "mediation"]);

/** How long the owner may take over an answer where the configuration does not say, in milliseconds: 2 minutes. */
export const DEFAULT_MEDIATION_TIMEOUT_MS = 120_000;

/** What {@linkcode LocalMediation.start} needs. */
export interface LocalMediationOptions {
  /** Private, and held by this process alone. */
  readonly stateFolder: string;
  /** In milliseconds. Default: 2 minutes. */
  readonly timeoutMs?: number;
  /** Where to ask beside the commands; default: nowhere. */
  readonly terminal?: QuestionTerminal | undefined;
  /** Whose requests these are, for the owner to see: `the daemon at gateway:7444`. */
  readonly asker: string;
  readonly clock?: Clock;
}

/**
 * The owner's consent on a running host: asked on the terminal when there is one, and by `palyra-node requests` in any
 * case; whoever answers first decides (design section 6).
 */
export class LocalMediation implements AsyncDisposable {
  readonly mediator: Mediator;
  readonly #desk: QuestionDesk;
  readonly #terminal: TerminalAsker | undefined;
  readonly #channel: AnswerChannel | undefined;

  private constructor(
    mediator: Mediator,
    desk: QuestionDesk,
    terminal: TerminalAsker | undefined,
    channel: AnswerChannel | undefined,
  ) {
    this.mediator = mediator;
    this.#desk = desk;
    this.#terminal = terminal;
    this.#channel = channel;
  }

  /**
   * Makes ready to ask. Where commands cannot get through, the log says why and the terminal alone is left. Rejects with
   * `state_damaged` or `schema_too_new` when the remembered answers cannot be read.
   */
  static async start(options: LocalMediationOptions): Promise<LocalMediation> {
    const { stateFolder, timeoutMs = DEFAULT_MEDIATION_TIMEOUT_MS, clock = systemClock, asker } = options;
    const remembered = await RememberedAnswers.load(stateFolder, clock);
    const desk = new QuestionDesk(clock);
    const channel = await openChannel(stateFolder, desk, remembered);
    const terminal = options.terminal &&
      new TerminalAsker({ desk, terminal: options.terminal, asker, clock });
    const isAttended = () => channel !== undefined || terminal?.isAttending === true;
    const mediator = new OwnerMediator({ desk, remembered, timeoutMs, isAttended, clock });
    if (terminal === undefined) announceQuestions(desk);
    return new LocalMediation(mediator, desk, terminal, channel);
  }

  /** Withdraws what waits and asks nothing more: the host stops. */
  close(): void {
    this.#desk.close(
      new PalyraError(
        "shutting_down",
        "palyra-node was stopped before its owner had answered; nothing was run. Ask again when it is back.",
      ),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    this.#terminal?.[Symbol.dispose]();
    await this.#channel?.[Symbol.asyncDispose]();
  }
}

async function openChannel(
  stateFolder: string,
  desk: QuestionDesk,
  remembered: RememberedAnswers,
): Promise<AnswerChannel | undefined> {
  try {
    return await AnswerChannel.open({ address: channelAddress(stateFolder), desk, remembered });
  } catch (error) {
    logger.warning("`palyra-node requests` cannot reach this process, so its questions cannot be answered there.", {
      error,
    });
    return undefined;
  }
}

/** Nobody looks at a terminal: whoever reads the log is told that there is something to answer. */
function announceQuestions(desk: QuestionDesk): void {
  desk.watch((event) => {
    if (event.kind !== "asked") return;
    // Not what would happen: an address may hold what does not belong into a log.
    const { id, capability, requestedBy } = event.question;
    logger.warning("The owner's consent is needed: `palyra-node requests approve {id}` or `deny {id}`.", {
      id,
      capability,
      requestedBy,
    });
  });
}
