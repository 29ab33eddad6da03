import { PalyraError } from "../../../identity/palyra_error.ts";
import { type Colours, PLAIN } from "../colour.ts";
import { displayWidth } from "../display_width.ts";
import { EXIT_OK, type ExitCode, exitCodeOf } from "../exit_code.ts";
import { printableText } from "../printable_text.ts";
import { wrapText } from "../wrap_text.ts";
import type { CheckResult } from "./check.ts";
import type { CheckOutcome } from "./finding.ts";

/** What a doctor has to say. */
export interface DoctorReport {
  readonly program: "palyrad" | "palyra-node";
  readonly checks: readonly CheckResult[];
}

/** 0 when nothing has failed, else the code that fits the first failure. */
export function doctorExitCode({ checks }: DoctorReport): ExitCode {
  for (const { finding } of checks) {
    if (finding.outcome === "failed") return exitCodeOf(new PalyraError(finding.code, finding.seen));
  }
  return EXIT_OK;
}

/** The report as `--json` prints it. */
export function doctorJson(report: DoctorReport): Readonly<Record<string, unknown>> {
  return {
    action: "doctor",
    program: report.program,
    ok: doctorExitCode(report) === EXIT_OK,
    checks: report.checks.map(({ name, subject, finding }) => ({
      name,
      subject: subject ?? null,
      outcome: finding.outcome,
      seen: finding.seen,
      cure: finding.outcome === "ok" ? null : finding.cure,
      code: "code" in finding ? finding.code : null,
    })),
  };
}

/** How {@linkcode doctorLines} lays them out. */
export interface DoctorLayout {
  /** Columns; undefined does not break lines. */
  readonly width: number | undefined;
  readonly colours?: Colours;
}

const MARKS: Readonly<Record<CheckOutcome, string>> = { ok: "✓", warning: "!", failed: "✗", skipped: "-" };
const GAP = "  ";
const CURE = "→ ";
/** Narrower than this, text is hard to read, and lines get longer than asked for instead. */
const NARROWEST_TEXT = 30;

/** The report as people read it: a mark, a name, what was seen, below it what to do, and the sums at the end. */
export function doctorLines({ checks }: DoctorReport, { width, colours = PLAIN }: DoctorLayout): string[] {
  const widest = Math.max(0, ...checks.map(({ name }) => displayWidth(name)));
  const indent = " ".repeat(1 + GAP.length + widest + GAP.length);
  const room = width === undefined ? Infinity : Math.max(NARROWEST_TEXT, width - indent.length);
  const lines = checks.flatMap(({ name, subject, finding }) => {
    const head = paints(colours)[finding.outcome](MARKS[finding.outcome]) + GAP + colours.bold(name) +
      " ".repeat(widest - displayWidth(name)) + GAP;
    const about = subject === undefined ? "" : `${subject}: `;
    // What was not looked at is not worth two lines.
    const whole = finding.outcome === "skipped" ? `${finding.seen} ${finding.cure}` : finding.seen;
    const seen = wrapText(printableText(about + whole), room);
    const isCureApart = finding.outcome === "warning" || finding.outcome === "failed";
    const cure = isCureApart ? wrapText(printableText(finding.cure), room - CURE.length) : [];
    return [
      head + (seen[0] ?? ""),
      ...seen.slice(1).map((line) => indent + line),
      ...cure.map((line, at) => indent + (at === 0 ? CURE : " ".repeat(CURE.length)) + line),
    ];
  });
  return [...lines, "", sums(checks)];
}

function paints(colours: Colours): Readonly<Record<CheckOutcome, (text: string) => string>> {
  return { ok: colours.green, warning: colours.yellow, failed: colours.red, skipped: colours.dim };
}

function sums(checks: readonly CheckResult[]): string {
  const count = (outcome: CheckOutcome) => checks.filter(({ finding }) => finding.outcome === outcome).length;
  const warnings = count("warning");
  return [
    `${count("ok")} ok`,
    `${warnings} ${warnings === 1 ? "warning" : "warnings"}`,
    `${count("failed")} failed`,
    `${count("skipped")} skipped`,
  ].join(", ");
}
