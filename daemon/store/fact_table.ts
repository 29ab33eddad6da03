/** Names the state itself, wherever its folder lies. */
export const STATE_ID_FACT = "state_id";

/** How many acts there were that a restored backup must not undo in silence; see `GenerationKeeper`. */
export const GENERATION_FACT = "generation";

/** What the daemon knows about itself, by name: few, short, and compared rather than searched. */
export interface FactTable {
  get(name: string): Promise<string | undefined>;
  put(name: string, value: string): Promise<void>;
}
