import { isIP } from "node:net";
import { parseCertificateFacts } from "../../identity/certificate_facts.ts";
import { parseEndpoint } from "../../identity/endpoint.ts";
import { PalyraError } from "../../identity/palyra_error.ts";
import { serverAddresses, serverDnsNames } from "../../identity/server_names.ts";
import type { UnixMs } from "../../identity/unix_ms.ts";
import type { Attempt } from "../../transport/program/doctor/attempt.ts";
import type { Check } from "../../transport/program/doctor/check.ts";
import {
  failed,
  type Finding,
  findingOf,
  ok,
  skipped,
  skippedFor,
  warning,
} from "../../transport/program/doctor/finding.ts";
import { type BelievedServer, ServerHandshake } from "../../transport/program/doctor/server_handshake.ts";
import { relativeTime } from "../../transport/program/relative_time.ts";
import type { DaemonConfig } from "../daemon_config.ts";
import type { DaemonProcess } from "../daemon_process_file.ts";
import type { OperatorCredentials } from "../operator_credentials.ts";
import type { AuthorityFiles } from "./ca_check.ts";

/** What {@linkcode serverCertificateCheck} goes by. */
export interface ServerCertificateEvidence {
  readonly config: Attempt<DaemonConfig>;
  readonly authority: Attempt<AuthorityFiles | undefined>;
  /** Shown to the daemon where they are there, so that the look is not counted as a refusal. */
  readonly operator: Attempt<OperatorCredentials>;
  readonly running: DaemonProcess | undefined;
  readonly now: UnixMs;
  readonly signal: AbortSignal;
}

/** Whether the running daemon shows a certificate of its CA that is valid and carries the names in the configuration. */
export function serverCertificateCheck(evidence: ServerCertificateEvidence): Check {
  return { name: "server_certificate", examine: () => examine(evidence) };
}

async function examine(evidence: ServerCertificateEvidence): Promise<Finding> {
  const { config, authority, operator, running, now, signal } = evidence;
  const names = config.value?.serverNames ?? [];
  const refusal = refusedNames(names);
  if (refusal !== undefined) return findingOf("failed", refusal);
  if (authority.value === undefined) return skippedFor(authority.failure === undefined ? "state_folder" : "ca");
  if (running === undefined) return skipped("It is made at each start.", "Run `palyrad run` to have one.");
  const material = { ...operator.value, caPem: [authority.value.certificatePem] };
  let server: BelievedServer;
  try {
    server = await new ServerHandshake(parseEndpoint(running.nodeRpc), material, signal).believed;
  } catch (thrown) {
    const error = PalyraError.from(thrown);
    if (error.code !== "daemon_untrusted") return findingOf("failed", error);
    return failed(
      "daemon_untrusted",
      `What answers on ${running.nodeRpc} shows no valid certificate of the CA in this state folder.`,
      "Run `palyrad restart`; if that does not help, check the clock, and which program listens there.",
    );
  }
  const { notAfter } = parseCertificateFacts(server.leafDer);
  const missing = names.filter((name) => !server.isNamed(name));
  if (missing.length > 0) {
    return warning(
      "invalid_config",
      `The running palyrad's certificate does not carry ${missing.join(", ")}, which the configuration names.`,
      "Run `palyrad restart`, or stop it and run it again.",
    );
  }
  return ok(
    `The running palyrad's certificate expires ${relativeTime(notAfter, now)}, renews itself, and has all names.`,
  );
}

/** Why no certificate could be made for these names. */
function refusedNames(names: readonly string[]): PalyraError | undefined {
  try {
    serverDnsNames(names.filter((name) => isIP(name) === 0));
    serverAddresses(names.filter((name) => isIP(name) !== 0));
    return undefined;
  } catch (thrown) {
    const { message } = PalyraError.from(thrown);
    return new PalyraError("invalid_config", `${message.replace(/\.$/, "")}. Correct \`server_names\`.`);
  }
}
