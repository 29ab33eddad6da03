import type { Attempt } from "./attempt.ts";
import type { Check } from "./check.ts";
import { type Finding, findingOf, ok, skippedFor } from "./finding.ts";

const NAME = "sealing";

/**
 * Whether the secrets can be opened: with the sealing key that was given, or in plain where none was.
 *
 * @param keyId of the key that they are sealed with.
 */
export function sealingCheck(keyId: Attempt<string | undefined>): Check {
  const examine = (): Finding => {
    if (keyId.failure !== undefined) return findingOf("failed", keyId.failure);
    return ok(
      keyId.value === undefined ? "The secrets are not sealed." : `The secrets are sealed with the key ${keyId.value}.`,
    );
  };
  return { name: NAME, examine };
}

/** A check of what lies among the secrets: where they cannot be opened there is nothing to look at. */
export function behindSealing(keyId: Attempt<string | undefined>, check: Check): Check {
  return keyId.failure === undefined ? check : { ...check, examine: () => skippedFor(NAME) };
}
