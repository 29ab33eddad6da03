import { getLogger } from "@logtape/logtape";
import { type MediationRequest, type Mediator, nobodyToAsk } from "../capabilities/mediator.ts";
import { PalyraError } from "../../identity/palyra_error.ts";
import { type Clock, systemClock, unixMs } from "../../identity/unix_ms.ts";
import { type Answer, isConsent } from "./question.ts";
import type { QuestionDesk } from "./question_desk.ts";
import type { RememberedAnswers } from "./remembered_answers.ts";

const logger = getLogger(["palyra", "node_host", "mediation"]);

/** What {@linkcode OwnerMediator} needs. */
export interface OwnerMediatorOptions {
  readonly desk: QuestionDesk;
  readonly remembered: RememberedAnswers;
  /** How long the owner may take, in milliseconds; the request's deadline holds in any case. */
  readonly timeoutMs: number;
  /** Whether anybody can see a question now. */
  readonly isAttended: () => boolean;
  readonly clock?: Clock;
}

/**
 * Obtains the owner's consent (design section 6): by what the owner has said before, else by asking. A remembered refusal
 * holds even where the configuration says `allow`.
 */
export class OwnerMediator implements Mediator {
  readonly #options: OwnerMediatorOptions;
  readonly #clock: Clock;

  constructor(options: OwnerMediatorOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  async consent(request: MediationRequest): Promise<void> {
    const remembered = this.#options.remembered.find(request);
    if (remembered?.allowed === false) throw refusedForGood(request.capability);
    if (request.rule === "allow" || remembered !== undefined) return;
    if (!this.#options.isAttended()) throw nobodyToAsk(request.capability);
    const answer = await this.#ask(request);
    logger.info("The owner answered {answer} to {requestedBy} about {capability}.", {
      answer,
      requestedBy: request.requestedBy,
      capability: request.capability,
      requestId: request.requestId,
    });
    await this.#remember(request, answer);
    if (answer === "never") throw refusedForGood(request.capability);
    if (!isConsent(answer)) {
      throw new PalyraError(
        "mediation_denied",
        `The node's owner was asked about ${request.capability} and refused; nothing was run.`,
      );
    }
  }

  async #ask(request: MediationRequest): Promise<Answer> {
    const { desk, timeoutMs } = this.#options;
    const { capability, summary, requestedBy, requestId, scope, deadline } = request;
    const expiresAt = unixMs(Math.min(this.#clock() + timeoutMs, deadline));
    const draft = { capability, summary, requestedBy, requestId, scope, expiresAt };
    return await desk.ask(draft, request.signal, () => request.awaiting());
  }

  async #remember(request: MediationRequest, answer: Answer): Promise<void> {
    if (answer === "once" || answer === "no") return;
    const lasting = answer !== "session";
    const kept = this.#options.remembered.remember(request, isConsent(answer), lasting);
    this.#applyToWaiting(request.capability);
    await kept;
  }

  /** The rule that the owner has just made answers what waits and falls under it. */
  #applyToWaiting(capability: string): void {
    const { desk, remembered } = this.#options;
    for (const question of desk.waiting) {
      const rule = question.capability === capability ? remembered.find(question) : undefined;
      if (rule === undefined || question.expiresAt <= this.#clock()) continue;
      desk.answer(question.id, rule.allowed ? "once" : "no", "rule");
    }
  }
}

function refusedForGood(capability: string): PalyraError {
  return new PalyraError(
    "mediation_denied",
    `The node's owner has refused this for good: ${capability} from this caller, for this origin or folder; only the ` +
      "owner can withdraw that.",
  );
}
