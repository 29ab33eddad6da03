/** The names in a list with commas between them; "" is a list of none. What is no name is refused by the daemon. */
export function parseCapabilityNames(text: string): string[] {
  return text.split(",").map((name) => name.trim()).filter((name) => name !== "");
}
