/** What the daemon knows about itself, by name: few, short, and compared rather than searched. */
export interface FactTable {
  get(name: string): Promise<string | undefined>;
  put(name: string, value: string): Promise<void>;
}
