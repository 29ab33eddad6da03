/**
 * Brings up to date what is made from `identity/reason_code.ts`: the enumeration in `proto/reason.proto`, to which new
 * codes are added, and the table in the README.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { REASON_CODES } from "../identity/reason_code.ts";
import { withReasonTable } from "../transport/program/reasons/reason_page.ts";
import { withEveryReason } from "./reason_enumeration.ts";

const README = fileURLToPath(new URL("../README.md", import.meta.url));
const PROTO = fileURLToPath(new URL("../proto/reason.proto", import.meta.url));

async function rewrite(path: string, change: (text: string) => string): Promise<boolean> {
  const before = await Deno.readTextFile(path);
  const after = change(before);
  if (after === before) return false;
  await Deno.writeTextFile(path, after);
  return true;
}

function say(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}

if (import.meta.main) {
  if (await rewrite(PROTO, (text) => withEveryReason(text, REASON_CODES))) {
    say("proto/reason.proto has new codes; now run `deno task gen`.");
  }
  const changed = await rewrite(README, (page) => {
    const written = withReasonTable(page);
    if (written === undefined) throw new Error("README.md has no marks for the table of reason codes");
    return written;
  });
  if (changed) say("README.md has the table as it is now.");
}
