import { PalyraError } from "../../identity/palyra_error.ts";
import type { UnixMs } from "../../identity/unix_ms.ts";
import type { ConsentScope } from "./consent_scope.ts";
import type { MediationRule } from "./mediation_policy.ts";

/** What the owner's consent is needed for. */
export interface MediationRequest {
  /** The capability's name. */
  readonly capability: string;
  readonly rule: Exclude<MediationRule, "deny">;
  /** What would happen, in full and as it came; whoever shows it makes it safe to show. */
  readonly summary: string;
  /** How far an answer may be remembered. */
  readonly scope: ConsentScope;
  /** Who asked; at most 128 printable characters. */
  readonly requestedBy: string;
  /** By what the daemon's operator knows the request; undefined when it has no name. */
  readonly requestId?: string | undefined;
  /** When the request's time is over. */
  readonly deadline: UnixMs;
  /** Aborted when the answer is no longer wanted. */
  readonly signal: AbortSignal;
  /** To be called once somebody is really being asked: the daemon then shows `awaiting_local_mediation`. */
  awaiting(): void;
}

/** Obtains the owner's consent. */
export interface Mediator {
  /**
   * Resolves when the run is allowed. Rejects with a `PalyraError` when it is not: `mediation_denied` for a refusal,
   * `mediation_timed_out` when nobody answered, `too_many_questions` when too many wait, `mediation_required` when nobody
   * could be asked, or the signal's reason.
   */
  consent(request: MediationRequest): Promise<void>;
}

/** Decides by the configured rule alone: `allow` passes, `ask` is refused because there is nobody to ask. */
export class PolicyMediator implements Mediator {
  // deno-lint-ignore require-await -- a refusal must be a rejection, as it is with a mediator that does wait
  async consent(request: MediationRequest): Promise<void> {
    if (request.rule === "allow") return;
    throw nobodyToAsk(request.capability);
  }
}

/** The refusal of a request whose owner cannot be reached. */
export function nobodyToAsk(capability: string): PalyraError {
  return new PalyraError(
    "mediation_required",
    `${capability} needs the consent of the node's owner, and nobody can be asked here; to allow it always, ` +
      `set mediation = "allow" under [capabilities."${capability}"] in palyra-node's config.`,
  );
}
