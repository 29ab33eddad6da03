import { resolve } from "node:path";
import { PalyraError } from "../../identity/palyra_error.ts";
import { systemClock, type UnixMs, unixMs } from "../../identity/unix_ms.ts";
import { print, printJson } from "../../transport/program/cli_output.ts";
import { archiveAudit, type ArchivedAudit } from "../audit/audit_archive.ts";
import { AuditLog } from "../audit/audit_log.ts";
import { readDaemonConfig } from "../daemon_config.ts";
import { findDaemonProcess } from "../daemon_process_file.ts";
import { DaemonState } from "../daemon_state.ts";
import { LOCAL_OPERATOR_NAME } from "../local_operator.ts";
import type { AuditHead } from "../store/audit_record.ts";
import { withAdmin } from "./admin_connection.ts";
import { auditStateFolder } from "./audit_state_folder.ts";
import type { DaemonCommandOptions } from "./daemon_command.ts";
import { daemonCommand } from "./daemon_command.ts";
import { parseDuration } from "./duration.ts";

const DATE = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2})?(\.\d{3})?(Z|[+-]\d{2}:\d{2}))?$/;

/** `palyrad audit archive` */
export function archiveCommand() {
  return daemonCommand("archive", "Move older records into a file; the others are verified from there on.", [
    {
      command: "palyrad audit archive --before 2026-01-01 --output 2025.jsonl",
      explanation: "keep it: verify --archive 2025.jsonl takes it together with the rest",
    },
    { command: "palyrad audit archive --before 90d --output old.jsonl", explanation: "what is older than 90 days" },
  ])
    .requiredOption("--before <date>", "a date, in UTC unless it says otherwise, or how long ago")
    .requiredOption("--output <file>", "a new file, which you alone can read")
    .action(async (options) => {
      const before = parseBefore(options.before, systemClock());
      const folder = await auditStateFolder(options);
      const path = resolve(options.output);
      const archived = await withForgetting(
        options,
        folder,
        (forget) => archiveAudit({ folder, before, path, forget }),
      );
      if (options.json) {
        return printJson({ first_sequence: archived?.first, last_sequence: archived?.last, file: archived && path });
      }
      if (archived === undefined) return print("There is no record so old.");
      print(`Records ${archived.first} to ${archived.last} are in ${path} now. Keep it as safe as the state folder.`);
    });
}

/** A date, or a duration before `now`; throws `invalid_argument`. */
export function parseBefore(text: string, now: UnixMs): UnixMs {
  if (!/^\d{4}-/.test(text)) return unixMs(Math.max(0, now - parseDuration(text, "--before")));
  const at = DATE.test(text) ? Date.parse(text) : NaN;
  if (Number.isNaN(at) || at < 0) {
    throw new PalyraError("invalid_argument", "--before is a date like 2026-01-01 or 2026-01-01T18:00Z, or 90d.");
  }
  return unixMs(at);
}

type Forget = (through: AuditHead) => Promise<unknown>;

/** Has records deleted by the daemon that runs, or with none by this process, which then has the state for itself. */
async function withForgetting(
  options: DaemonCommandOptions,
  folder: string,
  use: (forget: Forget) => Promise<ArchivedAudit | undefined>,
): Promise<ArchivedAudit | undefined> {
  if (await findDaemonProcess(folder) !== undefined) {
    return await withAdmin(
      options,
      (admin) => use(({ sequence, hash }) => admin.forgetArchivedAudit({ throughSequence: sequence, hash })),
    );
  }
  const { stateRoot, config: configFile } = options;
  const state = await DaemonState.open(await readDaemonConfig({ stateRoot, configFile, environment: Deno.env }));
  try {
    const audit = new AuditLog({ store: state.store, anchor: state.auditAnchor, clock: state.clock });
    try {
      return await use((through) => audit.forget(through, LOCAL_OPERATOR_NAME));
    } finally {
      audit.close();
    }
  } finally {
    await state.close();
  }
}
