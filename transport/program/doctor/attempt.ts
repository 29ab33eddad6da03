import { PalyraError } from "../../../identity/palyra_error.ts";

/** What came of something that several checks look at: they go on without it, or say why they cannot. */
export type Attempt<Value> =
  | { readonly value: Value; readonly failure?: undefined }
  | { readonly value?: undefined; readonly failure: PalyraError };

/** Does it and keeps the outcome, whatever it is. Never rejects. */
export async function attempt<Value>(work: () => Promise<Value> | Value): Promise<Attempt<Value>> {
  try {
    return { value: await work() };
  } catch (thrown) {
    return { failure: PalyraError.from(thrown) };
  }
}
