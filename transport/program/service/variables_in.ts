import type { ConfigEntry } from "../layered_config.ts";

/** Where the state lies is told to a service by a flag, whatever decided it here. */
const STATE_ROOT_KEY = "state_root";

/** The environment's variables that decide settings here; a service does not have them. */
export function variablesIn(entries: readonly ConfigEntry[]): string[] {
  return entries.filter(({ key, source }) => source.kind === "environment" && key !== STATE_ROOT_KEY)
    .map(({ source }) => source.name);
}
