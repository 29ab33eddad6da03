import type { NodeFacts } from "../capability.ts";

/** What a run may know, beside its signal and its progress. */
export interface RunFacts {
  readonly deviceId: string;
  readonly requestedBy: string;
  readonly node: NodeFacts;
}

/** What a child is to do with the owner's module. */
export type ChildTask =
  /** Tell its definition. */
  | { readonly kind: "describe" }
  /** Run it. */
  | { readonly kind: "run"; readonly input: unknown; readonly facts: RunFacts };

/** What a child is told first: one line of JSON on its standard input. Whatever follows it means: cancel. */
export interface ChildStart {
  /** The owner's module as a `data:` URL. */
  readonly moduleUrl: string;
  /** The name of the owner's file, for what is said about it. */
  readonly file: string;
  readonly task: ChildTask;
}
