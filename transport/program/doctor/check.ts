import type { Finding } from "./finding.ts";

/** One thing that a doctor looks at. */
export interface Check {
  /** Stable: scripts look for it. */
  readonly name: string;
  /** Which one of several of its kind: an endpoint. */
  readonly subject?: string;
  /** Changes nothing. A rejection counts as a failed check. */
  readonly examine: () => Promise<Finding> | Finding;
}

/** A check with what it has found. */
export interface CheckResult extends Pick<Check, "name" | "subject"> {
  readonly finding: Finding;
}
