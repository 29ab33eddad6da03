import type { AuditRecordView } from "../../proto/gen/admin.ts";
import { print } from "../../transport/program/cli_output.ts";
import { parseAuditKind } from "../audit/admin_audit_face.ts";
import { type AuditLine, auditLine } from "../audit/audit_file.ts";
import { openStoredAudit } from "../audit/stored_audit.ts";
import { canonicalJson } from "../audit/canonical_json.ts";
import { parseJsonObject } from "../json_object.ts";
import { withAdmin } from "./admin_connection.ts";
import { auditStateFolder } from "./audit_state_folder.ts";
import { parseCount } from "./count.ts";
import { daemonCommand } from "./daemon_command.ts";
import { printForeign, terminalJson } from "./print_view.ts";

const DEFAULT_LIMIT = 20;
const MAX_LIMIT = 10_000;

/** Room for `pairing_code.replaced`, the longest kind. */
const KIND_WIDTH = 21;

const utf8 = new TextDecoder();

/** `palyrad audit tail` */
export function tailCommand() {
  return daemonCommand("tail", "Show the newest records.", [
    { command: "palyrad audit tail --follow", explanation: "and then what happens, until Ctrl-C" },
    { command: "palyrad audit tail --kind device.revoked --limit 5 --json", explanation: "one JSON object a line" },
  ])
    .option("--limit <number>", `how many (default ${DEFAULT_LIMIT})`)
    .option("--kind <kind>", "only records of this kind, like request.ended")
    .option("--follow", "go on with each new record, while the daemon runs")
    .action(async (options) => {
      const limit = options.limit === undefined ? DEFAULT_LIMIT : parseCount(options.limit, "--limit", MAX_LIMIT);
      const kind = options.kind === undefined ? undefined : parseAuditKind(options.kind);
      const show = (line: AuditLine) => showLine(line, options.json ?? false);
      const { records, head } = newestRecords(await auditStateFolder(options), limit, kind);
      for (const record of records) show(auditLine(record));
      if (!options.follow) {
        if (records.length === 0 && !options.json) print("No records.");
        return;
      }
      await withAdmin(options, async (admin) => {
        const request = { afterSequence: head, kind: kind ?? "", follow: true };
        for await (const record of admin.readAudit(request)) show(lineOfView(record));
      });
    });
}

function newestRecords(folder: string, limit: number, kind: ReturnType<typeof parseAuditKind> | undefined) {
  using audit = openStoredAudit(folder);
  return { records: audit.newest(limit, kind), head: audit.newest(1).at(0)?.sequence ?? 0 };
}

function lineOfView({ sequence, atUnixMs, kind, actor, subject, detailsJson, previousHash, hash }: AuditRecordView) {
  const text = utf8.decode(detailsJson);
  const details = parseJsonObject(text) ?? text;
  return { sequence, at_unix_ms: atUnixMs, kind, actor, subject, details, previous_hash: previousHash, hash };
}

function showLine(line: AuditLine, json: boolean): void {
  if (json) return print(Deno.stdout.isTerminal() ? terminalJson(line) : JSON.stringify(line));
  const at = new Date(line.at_unix_ms).toISOString();
  const details = canonicalJson(line.details);
  const parts = [
    String(line.sequence).padStart(6),
    at,
    line.kind.padEnd(KIND_WIDTH),
    line.actor,
    line.subject,
    details,
  ];
  printForeign(parts.join("  "));
}
