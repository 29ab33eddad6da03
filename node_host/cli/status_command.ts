import { dirname } from "node:path";
import { systemClock, type UnixMs } from "../../identity/unix_ms.ts";
import {
  type CliCommand,
  coloursFor,
  EXIT_OK,
  type ExitCode,
  newCommand,
  print,
  printJson,
  relativeTime,
  tableLines,
  terminalWidth,
} from "../../transport/program/mod.ts";
import {
  readServiceReport,
  type ServiceReport,
  serviceReportJson,
  serviceReportText,
} from "../../transport/program/service/mod.ts";
import type { ConnectionStatus } from "../connection_status.ts";
import type { JournalCounts, JournalSummary } from "../journal/mod.ts";
import { readStatusReport, type StatusReport } from "../status_report.ts";
import { choiceText } from "../transport_choice.ts";
import { CONFIG_OPTION, configForShortVerb, STATE_ROOT_OPTION } from "./shared_options.ts";

const EXIT_NOT_CONNECTED: ExitCode = 4;
const EXIT_NOT_PAIRED: ExitCode = 7;

const EXAMPLES = [
  {
    command: "palyra-node status",
    explanation: "whether this machine is paired, running and connected, and over what",
  },
  { command: "palyra-node status --json", explanation: "the same for programs; exit code 0, 4 or 7" },
];

/** `palyra-node status`. It changes nothing on the disk; `exit` gets 0 connected, 4 not connected, 7 not paired. */
export function statusCommand(exit: (code: ExitCode) => void): CliCommand {
  const command = newCommand("status", "Show how this machine stands to its daemon.", EXAMPLES);
  command
    .option(...STATE_ROOT_OPTION)
    .option(...CONFIG_OPTION)
    .action(async (options) => {
      const config = await configForShortVerb(options);
      const report = await readStatusReport(config.stateFolder);
      const service = await readServiceReport("palyra-node", dirname(config.stateFolder));
      if (options.json === true) printJson({ ...statusJson(report), service: serviceReportJson(service) });
      else for (const line of statusLines(report, systemClock(), service)) print(line);
      exit(!report.paired ? EXIT_NOT_PAIRED : report.connected ? EXIT_OK : EXIT_NOT_CONNECTED);
    });
  return command;
}

/** The report as `--json` prints it. */
export function statusJson(report: StatusReport): Readonly<Record<string, unknown>> {
  const { record, pending, process, connection, journal } = report;
  return {
    action: "status",
    paired: report.paired,
    running: process !== undefined,
    connected: report.connected,
    device_id: record?.deviceId ?? null,
    device_name: record?.deviceName ?? null,
    daemon_endpoints: record?.nodeEndpoints ?? [],
    enrolment_endpoints: record?.enrolmentEndpoints ?? [],
    ca_fingerprint: record?.caFingerprint ?? null,
    paired_at_unix_ms: record?.pairedAt ?? null,
    installed_at_unix_ms: record?.installedAt ?? null,
    cert_expires_at_unix_ms: report.certificateExpiresAt ?? null,
    cert_renews_at_unix_ms: report.certificateRenewsAt ?? null,
    pid: process?.pid ?? null,
    started_at_unix_ms: process?.startedAt ?? null,
    connection: connection === undefined ? null : connectionJson(connection),
    pending: pending === undefined
      ? null
      : { request_id: pending.sessionId, requested_at_unix_ms: pending.requestedAt },
    journal: journal === undefined ? null : {
      attempts: journal.counts?.attempts ?? null,
      unacknowledged_results: journal.counts?.finished ?? null,
      damaged_set_aside: journal.setAside ?? null,
    },
    state_folder: report.stateFolder,
  };
}

function connectionJson(connection: ConnectionStatus): Readonly<Record<string, unknown>> {
  const { choice, renewalFailure } = connection;
  return {
    state: connection.state,
    transport: choice?.transport ?? null,
    transport_reason: choice?.reason ?? null,
    transport_explanation: choice?.explanation ?? null,
    daemon_endpoint: connection.daemonEndpoint ?? null,
    since_unix_ms: connection.since,
    epoch: connection.epoch ?? null,
    last_error: connection.lastFailure ?? null,
    next_retry_unix_ms: connection.nextTryAt ?? null,
    renewal_error: renewalFailure === undefined ? null : {
      code: renewalFailure.code,
      message: renewalFailure.message,
      next_retry_unix_ms: renewalFailure.nextTryAt,
    },
  };
}

/** The report as people read it. */
export function statusLines(report: StatusReport, now: UnixMs, service?: ServiceReport): string[] {
  const { record, pending, process, connection } = report;
  const rows: string[][] = [["state", stateText(report, service)]];
  if (record !== undefined) rows.push(["device", `${record.deviceName} (${record.deviceId})`]);
  if (record?.pairedAt !== undefined) {
    rows.push(["daemon", connection?.daemonEndpoint ?? record.nodeEndpoints.join(", ")]);
    rows.push(["paired", relativeTime(record.pairedAt, now)]);
  }
  if (pending !== undefined) {
    rows.push(["request", `${pending.sessionId}, made ${relativeTime(pending.requestedAt, now)}`]);
  }
  const renewalFailure = renewalFailureOf(report, now);
  if (report.certificateExpiresAt !== undefined) {
    rows.push(["certificate", certificateText(report, report.certificateExpiresAt, now)]);
  }
  if (renewalFailure !== undefined) rows.push(["renewal error", renewalFailure.message]);
  if (process !== undefined) {
    rows.push(["process", `${process.pid}, started ${relativeTime(process.startedAt, now)}`]);
  }
  if (service !== undefined) rows.push(["service", serviceReportText(service)]);
  if (report.journal !== undefined) rows.push(...journalRows(report.journal));
  if (connection !== undefined && report.paired) rows.push(...connectionRows(report, connection, now));
  const errors = [connection?.lastFailure, renewalFailure].flatMap((failure) => failure?.message ?? []);
  const { bold, red } = coloursFor(Deno.stdout);
  return tableLines({
    columns: [{ title: "", paint: bold }, {
      title: "",
      paint: (shown, cell) => errors.includes(cell) ? red(shown) : shown,
    }],
    rows,
    // Errors, and what keeps it from QUIC, are for reading to their end.
    width: errors.length === 0 && connection?.choice?.transport !== "grpc" ? terminalWidth() : undefined,
  });
}

function certificateText(report: StatusReport, expiresAt: UnixMs, now: UnixMs): string {
  if (expiresAt < now) return `expired ${relativeTime(expiresAt, now)}`;
  const expires = `expires ${relativeTime(expiresAt, now)}`;
  if (report.process === undefined) return `${expires}; it is renewed while palyra-node runs`;
  const failure = renewalFailureOf(report, now);
  if (failure !== undefined) return `${expires}; renewing it failed, next try ${relativeTime(failure.nextTryAt, now)}`;
  const { certificateRenewsAt: renewsAt } = report;
  if (renewsAt === undefined || renewsAt <= now) {
    return `${expires}, renews ${report.connected ? "now" : "once connected"}`;
  }
  return `${expires}, renews ${relativeTime(renewsAt, now)}`;
}

/** Only what the process that runs now has to say of a certificate that still can be renewed. */
function renewalFailureOf({ process, connection, certificateExpiresAt }: StatusReport, now: UnixMs) {
  const alive = process !== undefined && certificateExpiresAt !== undefined && certificateExpiresAt >= now;
  return alive ? connection?.renewalFailure : undefined;
}

function journalRows({ counts, setAside }: JournalSummary): string[][] {
  const damaged = setAside === undefined
    ? []
    : [["damaged journal", `set aside as ${setAside}; remove it once you have looked at it`]];
  return [["journal", counts === undefined ? "cannot be read" : journalText(counts)], ...damaged];
}

function journalText({ attempts, finished }: JournalCounts): string {
  if (attempts === 0) return "empty";
  const held = attempts === 1 ? "1 attempt" : `${attempts} attempts`;
  return finished === 0 ? held : `${held}, ${finished} with a result that the daemon has not acknowledged`;
}

function connectionRows(report: StatusReport, connection: ConnectionStatus, now: UnixMs): string[][] {
  const rows: string[][] = [];
  if (report.connected) {
    rows.push(["connected", relativeTime(connection.since, now)]);
    if (connection.choice !== undefined) rows.push(["transport", choiceText(connection.choice)]);
  } else if (report.process !== undefined && connection.nextTryAt !== undefined) {
    rows.push(["next try", relativeTime(connection.nextTryAt, now)]);
  }
  if (connection.lastFailure !== undefined) rows.push(["last error", connection.lastFailure.message]);
  return rows;
}

function stateText(
  { paired, pending, process, connection, connected }: StatusReport,
  service: ServiceReport | undefined,
): string {
  if (!paired) {
    return pending === undefined
      ? "not paired; run `palyra-node pair`"
      : "waiting for approval; `palyra-node pair` goes on with it";
  }
  if (connected) return "connected";
  if (process === undefined) {
    return `not running; start it with \`palyra-node ${service === undefined ? "run" : "start"}\``;
  }
  return `running, not connected (${connection?.state ?? "starting"})`;
}
