import { PalyraError } from "../../identity/palyra_error.ts";
import type { MediationRule } from "./mediation_policy.ts";

/** What the owner's consent is needed for. */
export interface MediationRequest {
  /** The capability's name. */
  readonly capability: string;
  readonly rule: Exclude<MediationRule, "deny">;
  /** What would happen, in one line, from the checked and normalised input. */
  readonly summary: string;
  /** Who asked; at most 128 printable characters. */
  readonly requestedBy: string;
  /** Aborted when the answer is no longer wanted. */
  readonly signal: AbortSignal;
  /** To be called once somebody is really being asked: the daemon then shows `awaiting_local_mediation`. */
  awaiting(): void;
}

/** Obtains the owner's consent. */
export interface Mediator {
  /**
   * Resolves when the run is allowed. Rejects with a `PalyraError` when it is not: `capability_denied` for a refusal,
   * `mediation_required` when nobody could be asked, `deadline_exceeded` when nobody answered.
   */
  consent(request: MediationRequest): Promise<void>;
}

/** Decides by the configured rule alone: `allow` passes, `ask` is refused because there is nobody to ask. */
export class PolicyMediator implements Mediator {
  // deno-lint-ignore require-await -- a refusal must be a rejection, as it is with a mediator that does wait
  async consent(request: MediationRequest): Promise<void> {
    if (request.rule === "allow") return;
    throw new PalyraError(
      "mediation_required",
      `${request.capability} needs the consent of the node's owner, and nobody can be asked here; to allow it always, ` +
        `set mediation = "allow" under [capabilities."${request.capability}"] in palyra-node's config.`,
    );
  }
}
