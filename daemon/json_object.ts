import type { JsonValue } from "../transport/program/log_value.ts";

/** What a JSON text in braces stands for. */
export type JsonObject = Readonly<Record<string, JsonValue>>;

/** The deepest nesting that the daemon takes in, or prints: writing deeper JSON can end in a full stack. */
export const MAX_JSON_DEPTH = 64;

/** The object that `text` stands for; undefined when it is no JSON, no object, or nested deeper than 64 levels. */
export function parseJsonObject(text: string): JsonObject | undefined {
  if (jsonDepth(text) > MAX_JSON_DEPTH) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Whatever JSON.parse returns is a JSON value. */
function isObject(parsed: unknown): parsed is JsonObject {
  return typeof parsed === "object" && parsed !== null && !Array.isArray(parsed);
}

/** How deep brackets nest in a JSON text. By hand: recursion or a pattern would run out of stack on what a peer sends. */
export function jsonDepth(json: string): number {
  let depth = 0;
  let deepest = 0;
  let inString = false;
  for (let at = 0; at < json.length; at++) {
    const character = json.charAt(at);
    if (character === '"') inString = !inString;
    else if (inString && character === "\\") at += 1;
    else if (inString) continue;
    else if (character === "[" || character === "{") deepest = Math.max(deepest, ++depth);
    else if (character === "]" || character === "}") depth -= 1;
  }
  return deepest;
}
