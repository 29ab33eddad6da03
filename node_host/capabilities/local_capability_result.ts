import type { ReasonCode } from "../../identity/reason_code.ts";

/** How one run of a capability on this node ended. */
export type LocalCapabilityResult =
  | {
    readonly success: true;
    /** UTF-8 JSON that matches the capability's output schema. */
    readonly outputJson: Uint8Array;
  }
  | {
    readonly success: false;
    readonly errorCode: ReasonCode;
    /** The cause and the cure, safe to show to the caller. */
    readonly error: string;
  };

/**
 * Codes of a request that was turned away before anything ran, and may come again: no place for it now, or no journal to
 * note it in.
 */
export const NEVER_STARTED: ReadonlySet<ReasonCode> = new Set(["queue_full", "state_read_only", "state_damaged"]);
