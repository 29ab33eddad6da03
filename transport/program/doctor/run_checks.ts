import { getLogger } from "@logtape/logtape";
import { PalyraError } from "../../../identity/palyra_error.ts";
import type { Check, CheckResult } from "./check.ts";
import { type Finding, findingOf } from "./finding.ts";
import { tooLate } from "./time_limit.ts";

const logger = getLogger(["palyra", "program", "doctor"]);

/**
 * Runs checks side by side; the results are in the order of the checks. One that has not ended when `signal` aborts
 * counts as failed. Never rejects.
 */
export async function runChecks(checks: readonly Check[], signal: AbortSignal): Promise<CheckResult[]> {
  return await Promise.all(checks.map(async (check) => {
    const { name, subject } = check;
    return { name, ...(subject !== undefined && { subject }), finding: await findingUntil(check, signal) };
  }));
}

async function findingUntil(check: Check, signal: AbortSignal): Promise<Finding> {
  const { promise: over, resolve } = Promise.withResolvers<Finding>();
  const giveUp = () => resolve(findingOf("failed", tooLate()));
  signal.addEventListener("abort", giveUp, { once: true });
  if (signal.aborted) giveUp();
  try {
    return await Promise.race([examine(check), over]);
  } finally {
    signal.removeEventListener("abort", giveUp);
  }
}

async function examine(check: Check): Promise<Finding> {
  try {
    return await check.examine();
  } catch (thrown) {
    const error = PalyraError.from(thrown);
    if (error.code === "internal") logger.error("The check {name} did not work.", { name: check.name, error });
    return findingOf("failed", error);
  }
}
