const utf8 = new TextDecoder();

/**
 * A protobuf message as the JSON that commands print: names in snake_case, as in the `.proto` files. A field that holds
 * JSON is printed as what it holds, under its name without `_json`; an empty one is left out.
 */
export function jsonView(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(jsonView);
  if (typeof value !== "object" || value === null) return value;
  const members: [string, unknown][] = [];
  for (const [key, member] of Object.entries(value)) {
    const name = key.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    if (name.endsWith("_json") && (member instanceof Uint8Array || typeof member === "string")) {
      const text = typeof member === "string" ? member : utf8.decode(member);
      if (text !== "") members.push([name.slice(0, -"_json".length), JSON.parse(text)]);
    } else {
      members.push([name, jsonView(member)]);
    }
  }
  return Object.fromEntries(members);
}
