import { reasonRows } from "./reason_row.ts";

const BEGIN = "<!-- reason codes: made by `deno task reasons` -->";
/** Else the formatter would pad every row to the width of the widest. */
const FORMAT_OFF = "<!-- deno-fmt-ignore-start -->";
const FORMAT_ON = "<!-- deno-fmt-ignore-end -->";
const END = "<!-- end of the reason codes -->";

/** The table of all reason codes in Markdown, between the marks that {@linkcode withReasonTable} looks for. */
export function reasonTable(): string {
  const rows = reasonRows().map(({ code, kind, exitCode, meaning, cure }) =>
    `| \`${code}\` | ${kind} | ${exitCode} | ${cell(meaning)} | ${cell(cure)} |`
  );
  return [
    BEGIN,
    FORMAT_OFF,
    "",
    "| Code | Kind | Exit | What it says | What to do |",
    "|---|---|---|---|---|",
    ...rows,
    "",
    FORMAT_ON,
    END,
  ]
    .join("\n");
}

/** A page with the table as it is now; undefined when it has no marks, or not in this order. */
export function withReasonTable(page: string): string | undefined {
  const begin = page.indexOf(BEGIN);
  const end = page.indexOf(END, begin);
  if (begin === -1 || end === -1) return undefined;
  return page.slice(0, begin) + reasonTable() + page.slice(end + END.length);
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|");
}
