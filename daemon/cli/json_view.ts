import { jsonDepth, MAX_JSON_DEPTH } from "../json_object.ts";

const utf8 = new TextDecoder();

/**
 * A protobuf message as the JSON that commands print: names in snake_case, as in the `.proto` files. A field that holds
 * JSON is printed as what it holds, under its name without `_json`; what turns out not to be JSON, or is nested deeper
 * than 64 levels, is printed as text under its name with `_text` instead. An empty one is left out.
 */
export function jsonView(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(jsonView);
  if (typeof value !== "object" || value === null) return value;
  const members: [string, unknown][] = [];
  for (const [key, member] of Object.entries(value)) {
    const name = key.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    if (name.endsWith("_json") && (member instanceof Uint8Array || typeof member === "string")) {
      const text = typeof member === "string" ? member : utf8.decode(member);
      if (text !== "") members.push(heldMember(name.slice(0, -"_json".length), text));
    } else {
      members.push([name, jsonView(member)]);
    }
  }
  return Object.fromEntries(members);
}

function heldMember(name: string, text: string): [string, unknown] {
  try {
    const held: unknown = JSON.parse(text);
    // Indented printing of what is nested deeper takes memory by the square of its depth.
    if (jsonDepth(text) <= MAX_JSON_DEPTH) return [name, held];
  } catch {
    // It came from a node, which may have sent anything.
  }
  return [`${name}_text`, text];
}
