/** What XML 1.0 cannot hold, not even escaped (section 2.2); no path that works has it. */
// deno-lint-ignore no-control-regex -- it is what must not be there
const NOT_XML = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|\p{Cs}/gu;

const ENTITIES: ReadonlyMap<string, string> = new Map([
  ["&", "&amp;"],
  ["<", "&lt;"],
  [">", "&gt;"],
  ['"', "&quot;"],
  ["'", "&apos;"],
  // A parser would turn them into spaces or line feeds.
  ["\t", "&#9;"],
  ["\n", "&#10;"],
  ["\r", "&#13;"],
]);

/** Text as it stands between XML tags. What XML cannot hold becomes U+FFFD. */
export function xmlText(text: string): string {
  return text.replace(NOT_XML, "\ufffd").replaceAll(/[&<>"'\t\n\r]/g, (character) => ENTITIES.get(character) ?? "");
}
