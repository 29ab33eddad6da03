/** What the names of the enumeration begin with, as protobuf's style asks. */
export const REASON_PREFIX = "REASON_CODE_";

/** How a reason code is called in the enumeration. */
export function enumerationName(code: string): string {
  return `${REASON_PREFIX}${code.toUpperCase()}`;
}

/**
 * The text of `proto/reason.proto` with every code: new ones get the numbers behind the highest that ever was in use, what
 * is reserved included. Throws for a code that is gone, whose number and name somebody has to reserve.
 */
export function withEveryReason(text: string, codes: readonly string[]): string {
  const entries = [...text.matchAll(/^ {2}(REASON_CODE_\w+) = (\d+);$/gm)];
  const known = new Set(entries.map(([, name = ""]) => name));
  const wanted = codes.map(enumerationName);
  const gone = [...known].filter((name) => name !== `${REASON_PREFIX}UNSPECIFIED` && !wanted.includes(name));
  if (gone.length > 0) {
    throw new Error(
      `proto/reason.proto: replace ${gone.join(", ")} by \`reserved\` with its number, and with its name`,
    );
  }
  const reserved = [...text.matchAll(/^ {2}reserved ([\d, to]+);$/gm)].flatMap(([, numbers = ""]) =>
    numbers.match(/\d+/g) ?? []
  );
  const highest = Math.max(...entries.map(([, , number]) => Number(number)), ...reserved.map(Number));
  const added = wanted.filter((name) => !known.has(name)).map((name, at) => `  ${name} = ${highest + 1 + at};\n`);
  const end = text.lastIndexOf("}");
  return text.slice(0, end) + added.join("") + text.slice(end);
}
