import type { SealingKeySource } from "./sealing_key.ts";

let source: SealingKeySource = () => Promise.resolve(undefined);

/** Has this process take its sealing key from there. A program says so once, before it reads any secret. */
export function setProcessSealingKey(from: SealingKeySource): void {
  source = from;
}

/** The sealing key that this process was given at its start. It is asked for only where something is, or must be, sealed. */
export const processSealingKey: SealingKeySource = () => source();
