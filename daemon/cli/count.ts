import { PalyraError } from "../../identity/palyra_error.ts";

/** Reads a whole number from `min` to `max` as it was given to `option`; throws `invalid_argument`. */
export function parseCount(text: string, option: string, max: number, min = 1): number {
  const count = /^\d{1,15}$/.test(text) ? Number(text) : undefined;
  if (count === undefined || count < min || count > max) {
    throw new PalyraError("invalid_argument", `${option} is a whole number from ${min} to ${max}.`);
  }
  return count;
}
