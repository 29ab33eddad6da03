import { PalyraError } from "../../../identity/palyra_error.ts";
import { tooLate } from "./time_limit.ts";

/** What came of something that several checks look at: they go on without it, or say why they cannot. */
export type Attempt<Value> =
  | { readonly value: Value; readonly failure?: undefined }
  | { readonly value?: undefined; readonly failure: PalyraError };

/**
 * Does it and keeps the outcome, whatever it is; `deadline_exceeded` when that has not come as `signal` aborts. Never
 * rejects.
 */
export async function attempt<Value>(
  work: () => Promise<Value> | Value,
  signal: AbortSignal,
): Promise<Attempt<Value>> {
  const { promise: over, reject } = Promise.withResolvers<never>();
  const giveUp = () => reject(tooLate());
  signal.addEventListener("abort", giveUp, { once: true });
  if (signal.aborted) giveUp();
  try {
    return { value: await Promise.race([over, work()]) };
  } catch (thrown) {
    return { failure: PalyraError.from(thrown) };
  } finally {
    signal.removeEventListener("abort", giveUp);
  }
}
