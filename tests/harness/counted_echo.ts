import type { Capability } from "../../node_host/capabilities/capability.ts";
import { echo } from "../../node_host/capabilities/echo.ts";

/** An `echo` that must not run twice, and the count of how often it did run with each input. */
export interface CountedEcho {
  readonly capability: Capability;
  /** By input, which has to be a number. */
  readonly runs: ReadonlyMap<number, number>;
}

/** A fresh one, all counts at nothing. */
export function countedEcho(): CountedEcho {
  const runs = new Map<number, number>();
  const capability: Capability = {
    ...echo,
    idempotent: false,
    run: (input, context) => {
      const number = Number(input);
      runs.set(number, (runs.get(number) ?? 0) + 1);
      return echo.run(input, context);
    },
  };
  return { capability, runs };
}
