import { displayWidth, truncateToWidth } from "./display_width.ts";
import { printableText } from "./printable_text.ts";

/** One column of a {@linkcode TextTable}. */
export interface TableColumn {
  /** The heading. When every column's is empty, the table has no heading line. */
  readonly title: string;
  /** Left by default. */
  readonly align?: "left" | "right";
  /** Colours a cell: gets what is shown (cut, not padded) and the whole cell to decide by. */
  readonly paint?: (shown: string, cell: string) => string;
}

/** A table of text. A row shorter than the columns has empty cells at its end. */
export interface TextTable {
  readonly columns: readonly TableColumn[];
  readonly rows: readonly (readonly string[])[];
  /** The most cells a line may take; the widest columns are cut to fit. Unlimited by default. */
  readonly width?: number | undefined;
  /** Styles the headings. */
  readonly paintTitle?: (title: string) => string;
}

const COLUMN_GAP = "  ";
const NARROWEST_COLUMN = 6;

/**
 * The lines of a table, aligned, without trailing blanks. Control characters in cells are made visible. When not even
 * columns of six cells fit, lines get longer than asked for rather than empty.
 */
export function tableLines(table: TextTable): string[] {
  const { columns } = table;
  const titles = columns.map((column) => printableText(column.title));
  const rows = table.rows.map((row) => columns.map((_, index) => printableText(row[index] ?? "")));
  const withTitles = titles.some((title) => title !== "");
  const widths = fittedWidths(withTitles ? [titles, ...rows] : rows, columns.length, table.width);

  const line = (cells: readonly string[], paint: (column: TableColumn, shown: string, cell: string) => string) => {
    const parts = columns.map((column, index) => {
      const cell = cells[index] ?? "";
      const width = widths[index] ?? 0;
      const shown = truncateToWidth(cell, width);
      const padding = " ".repeat(width - displayWidth(shown));
      const painted = paint(column, shown, cell);
      return column.align === "right" ? padding + painted : painted + padding;
    });
    return parts.join(COLUMN_GAP).trimEnd();
  };

  const lines = rows.map((cells) => line(cells, (column, shown, cell) => column.paint?.(shown, cell) ?? shown));
  if (withTitles) lines.unshift(line(titles, (_, shown) => table.paintTitle?.(shown) ?? shown));
  return lines;
}

/** The width of the terminal that standard output goes to, in cells; undefined when it is none. */
export function terminalWidth(): number | undefined {
  if (!Deno.stdout.isTerminal()) return undefined;
  try {
    const { columns } = Deno.consoleSize();
    return columns > 0 ? columns : undefined;
  } catch {
    // Standard input and error may be redirected, and then nothing tells the size.
    return undefined;
  }
}

function fittedWidths(lines: readonly (readonly string[])[], columns: number, limit: number | undefined): number[] {
  const widths = Array.from(
    { length: columns },
    (_, index) => lines.reduce((widest, cells) => Math.max(widest, displayWidth(cells[index] ?? "")), 0),
  );
  if (limit === undefined) return widths;
  let excess = widths.reduce((sum, width) => sum + width, COLUMN_GAP.length * (columns - 1)) - limit;
  while (excess > 0) {
    const widest = Math.max(...widths);
    if (widest <= NARROWEST_COLUMN) break;
    widths[widths.lastIndexOf(widest)] = widest - 1;
    excess -= 1;
  }
  return widths;
}
