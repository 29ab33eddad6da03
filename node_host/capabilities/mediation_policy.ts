import { PalyraError } from "../../identity/palyra_error.ts";
import type { Capability } from "./capability.ts";

/** What the owner wants when the daemon asks for a capability. */
export type MediationRule = "allow" | "ask" | "deny";

/** The owner's rules for the capabilities of this node (design section 6). */
export interface MediationPolicyOptions {
  /** `capabilities."<name>".mediation` of the configuration. */
  readonly rules?: Readonly<Record<string, MediationRule>>;
  /** Names given with `--deny`. Deny wins over any rule. */
  readonly denied?: readonly string[];
}

/** Says which rule holds for a capability: the configured one, else `ask` for mediated capabilities and `allow` for the rest. */
export class MediationPolicy {
  readonly #rules: ReadonlyMap<string, MediationRule>;

  constructor(options: MediationPolicyOptions = {}) {
    const rules = new Map(Object.entries(options.rules ?? {}));
    for (const name of options.denied ?? []) rules.set(name, "deny");
    this.#rules = rules;
  }

  ruleFor(capability: Pick<Capability, "name" | "mediation">): MediationRule {
    return this.#rules.get(capability.name) ?? (capability.mediation ? "ask" : "allow");
  }

  /**
   * Throws `invalid_config` when a rule names no known capability: a misspelt `deny` would otherwise deny nothing.
   */
  requireKnownNames(known: readonly string[]): void {
    for (const name of this.#rules.keys()) {
      if (known.includes(name)) continue;
      throw new PalyraError(
        "invalid_config",
        `There is no capability named ${JSON.stringify(name)}; correct it to one of ${known.join(", ")}.`,
      );
    }
  }
}
