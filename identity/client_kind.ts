import { PalyraError } from "./palyra_error.ts";

/** What a paired device may be: an operator (`cli`), a desktop application, or a node that executes capabilities. */
export type ClientKind = "cli" | "desktop" | "node";

/** Every client kind, in the order in which help texts name them. */
export const CLIENT_KINDS: readonly ClientKind[] = ["node", "desktop", "cli"];

/** Parses a client kind; throws `invalid_argument`. */
export function parseClientKind(text: string): ClientKind {
  const kind = CLIENT_KINDS.find((known) => known === text);
  if (kind === undefined) {
    throw new PalyraError("invalid_argument", `The client kind must be one of ${CLIENT_KINDS.join(", ")}.`);
  }
  return kind;
}
