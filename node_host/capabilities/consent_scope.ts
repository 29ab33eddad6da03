import { createHash } from "node:crypto";

/** How far an answer of the owner reaches when it is remembered: never beyond what the question showed. */
export type ConsentScope =
  /** Pages of one scheme, host and port, as the URL standard writes an origin. */
  | { readonly kind: "origin"; readonly value: string }
  /** A folder and the files directly in it, by its canonical path. */
  | { readonly kind: "folder"; readonly value: string }
  /** This very input and no other, by the SHA-256 of its JSON in hex. */
  | { readonly kind: "input"; readonly value: string };

/** Every kind of {@linkcode ConsentScope}. */
export const CONSENT_SCOPE_KINDS = ["origin", "folder", "input"] as const satisfies readonly ConsentScope["kind"][];

/** The scope of an input for which the capability names no wider one. */
export function exactInputScope(input: unknown): ConsentScope {
  const json = JSON.stringify(input) ?? "null";
  return { kind: "input", value: createHash("sha256").update(json).digest("hex") };
}

/** Whether both reach equally far. */
export function sameScope(left: ConsentScope, right: ConsentScope): boolean {
  return left.kind === right.kind && left.value === right.value;
}
