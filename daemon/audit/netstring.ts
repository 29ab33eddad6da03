import { Buffer } from "node:buffer";

/**
 * The parts one after another, each as a netstring: its length in bytes of UTF-8, a colon, itself, a comma. Two different
 * lists of parts never give the same text, so it is safe to hash or sign, and it can be made in any language.
 */
export function netstrings(...parts: readonly string[]): string {
  let text = "";
  for (const part of parts) text += `${Buffer.byteLength(part)}:${part},`;
  return text;
}
