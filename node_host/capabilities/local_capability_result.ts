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
