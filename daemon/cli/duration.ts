import { PalyraError } from "../../identity/palyra_error.ts";

const UNIT_MS: ReadonlyMap<string, number> = new Map([
  ["ms", 1],
  ["s", 1_000],
  ["m", 60_000],
  ["h", 3_600_000],
  ["d", 86_400_000],
]);

/** Reads a length of time as people type it (`90s`, `10m`, `1.5h`, `2d`) into milliseconds; throws `invalid_argument`. */
export function parseDuration(text: string, option: string): number {
  const [, count = "", unit = ""] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text.trim()) ?? [];
  const unitMs = UNIT_MS.get(unit);
  if (unitMs === undefined || Number(count) === 0) {
    throw new PalyraError("invalid_argument", `${option} is a number with a unit: 500ms, 90s, 10m, 2h or 1d.`);
  }
  return Math.round(Number(count) * unitMs);
}
