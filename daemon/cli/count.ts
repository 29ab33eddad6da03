import { PalyraError } from "../../identity/palyra_error.ts";

/** Reads a whole number from 1 to `max` as it was given to `option`; throws `invalid_argument`. */
export function parseCount(text: string, option: string, max: number): number {
  const count = /^\d{1,15}$/.test(text) ? Number(text) : 0;
  if (count < 1 || count > max) {
    throw new PalyraError("invalid_argument", `${option} is a whole number from 1 to ${max}.`);
  }
  return count;
}
