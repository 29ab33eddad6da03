import { resolve } from "node:path";
import { PalyraError } from "../../identity/palyra_error.ts";
import { printJson } from "../../transport/program/cli_output.ts";
import { auditBroken } from "../audit/audit_archive.ts";
import { type AuditHash, isAuditHash } from "../audit/audit_hash.ts";
import type { AuditReport } from "../audit/audit_verification.ts";
import { verifyAuditFiles, verifyStoredAudit } from "../audit/stored_audit.ts";
import { auditStateFolder } from "./audit_state_folder.ts";
import { daemonCommand } from "./daemon_command.ts";
import { printFields } from "./print_table.ts";
import { timeText } from "./time_text.ts";

/** `palyrad audit verify` */
export function verifyCommand() {
  return daemonCommand("verify", "Prove that no record was changed, removed, added or put elsewhere.", [
    { command: "palyrad audit verify", explanation: "ends with 7 and names the first broken record if there is one" },
    { command: "palyrad audit verify --expect-head 9f3c…", explanation: "and that it goes on from what you noted" },
    { command: "palyrad audit verify --archive 2025.jsonl", explanation: "together with what was archived" },
    { command: "palyrad audit verify --file audit.jsonl", explanation: "an export, on any machine" },
  ])
    .option("--expect-head <hash>", "a hash that `palyrad audit head` showed earlier")
    .option("--archive <file...>", "files that `palyrad audit archive` wrote, which the audit goes on from")
    .option("--file <file...>", "verify these files and nothing else")
    .action(async (options) => {
      const expectedHash = options.expectHead === undefined ? undefined : parseHash(options.expectHead);
      if (options.file !== undefined && options.archive !== undefined) {
        throw new PalyraError("invalid_argument", "--file takes archives and exports alike; leave --archive out.");
      }
      const report = options.file === undefined
        ? await verifyStoredAudit(await auditStateFolder(options), {
          archives: (options.archive ?? []).map((path) => resolve(path)),
          expectedHash,
        })
        : await verifyAuditFiles(options.file.map((path) => resolve(path)), expectedHash);
      if (options.json) printJson(reportJson(report));
      if (report.flaw !== undefined) throw auditBroken(report.flaw);
      if (!options.json) printReport(report, expectedHash);
    });
}

function parseHash(text: string): AuditHash {
  const hash = text.trim().toLowerCase();
  if (isAuditHash(hash)) return hash;
  throw new PalyraError("invalid_argument", "--expect-head is 64 hex digits, as `palyrad audit head` shows them.");
}

function reportJson({ flaw, count, first, head, anchor, expectedAt }: AuditReport) {
  return {
    intact: flaw === undefined,
    flaw,
    records: count,
    first_sequence: first,
    head,
    anchor: typeof anchor === "object"
      ? { sequence: anchor.sequence, hash: anchor.hash, at_unix_ms: anchor.at, closed: anchor.closed }
      : anchor,
    expected_head_at: expectedAt,
  };
}

function printReport({ count, first, head, anchor, expectedAt }: AuditReport, expectedHash: AuditHash | undefined) {
  printFields([
    ["intact", count === 0 ? "no records yet" : `${count} records, ${first} to ${head.sequence}`],
    ["head", head.sequence === 0 ? "" : `${head.sequence} ${head.hash}`],
    ["begins", first > 1 ? `behind record ${first - 1}, up to which it was archived` : ""],
    ["anchor", anchorText(head.sequence, anchor)],
    ["expected", expectedHash === undefined ? "" : expectedText(expectedAt, first)],
  ]);
}

/** What the anchor proves, and what it does not. */
function anchorText(newest: number, anchor: AuditReport["anchor"]): string {
  if (typeof anchor !== "object") return "";
  const proof = `record ${anchor.sequence}, written ${timeText(anchor.at)}: complete up to there`;
  const newer = newest - anchor.sequence;
  if (newer === 0) return proof;
  return `${proof}; ${newer === 1 ? "1 record is" : `${newer} records are`} newer than the anchor`;
}

function expectedText(expectedAt: number | undefined, first: number): string {
  return `record ${expectedAt ?? first - 1}: up to there it is what it was`;
}
