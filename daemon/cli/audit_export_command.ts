import { resolve } from "node:path";
import { print } from "../../transport/program/cli_output.ts";
import { auditLine } from "../audit/audit_file.ts";
import { AuditFileWriter } from "../audit/audit_file_writer.ts";
import { storedAuditRecords } from "../audit/stored_audit.ts";
import { auditStateFolder } from "./audit_state_folder.ts";
import { daemonCommand } from "./daemon_command.ts";

/** `palyrad audit export` */
export function exportCommand() {
  return daemonCommand("export", "Write every record with its hashes: one JSON object a line, for keeping elsewhere.", [
    {
      command: "palyrad audit export --output audit.jsonl",
      explanation: "then: palyrad audit verify --file audit.jsonl",
    },
    { command: "palyrad audit export | gzip > audit.jsonl.gz", explanation: "to another program" },
  ])
    .option("--output <file>", "into a new file that you alone can read (default: standard output)")
    .action(async (options) => {
      const records = storedAuditRecords(await auditStateFolder(options));
      if (options.output === undefined) {
        for (const record of records) print(JSON.stringify(auditLine(record)));
        return;
      }
      const writer = await AuditFileWriter.create(resolve(options.output));
      try {
        // deno-lint-ignore no-await-in-loop -- one line after the other
        for (const record of records) await writer.write(record);
        await writer.finish();
      } catch (error) {
        await writer.discard();
        throw error;
      }
    });
}
