import { parseEndpoint } from "../../identity/endpoint.ts";
import type { Clock } from "../../identity/unix_ms.ts";
import type { Attempt } from "../../transport/program/doctor/attempt.ts";
import type { Check, CheckResult } from "../../transport/program/doctor/check.ts";
import { type Finding, skippedFor } from "../../transport/program/doctor/finding.ts";
import { ServerHandshake } from "../../transport/program/doctor/server_handshake.ts";
import type { QuicAvailability } from "../../transport/quic/quiche_addon.ts";
import type { TransportPreference } from "../transport_choice.ts";
import { connectOnce, examineAddress } from "./daemon_address.ts";
import { type DaemonTime, examineAdmission } from "./daemon_admission.ts";
import { examineIdentity } from "./daemon_identity.ts";
import { examineQuic } from "./daemon_quic.ts";
import type { PairingFiles } from "./pairing_files.ts";

/** What the way to the daemon is examined with. */
export interface RouteOptions {
  readonly files: Attempt<PairingFiles>;
  readonly preference: TransportPreference;
  readonly availability: () => QuicAvailability;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** One way to the daemon, under examination. */
export interface DaemonRoute {
  readonly checks: readonly Check[];
  readonly daemonTime: Promise<DaemonTime | undefined>;
}

/** Starts to examine the way to one of the daemon's endpoints: each step when the one before has shown that it can be. */
export function examineRoute(endpoint: string, options: RouteOptions): DaemonRoute {
  const { files: { value: files }, preference, availability, clock, signal } = options;
  const at = parseEndpoint(endpoint);
  // One connection for both questions: a daemon would count one that brings no TLS as refused.
  const handshake = files && new ServerHandshake(at, files.credentials.tlsMaterial(), signal);
  const address = examineAddress(handshake?.connected ?? connectOnce(at, signal));
  const tcpAnswers = address.then(({ outcome }) => outcome === "ok");
  const identity = (async (): Promise<Finding> => {
    if (files === undefined || handshake === undefined) return skippedFor("credentials");
    if (!await tcpAnswers) return skippedFor("daemon_address");
    return await examineIdentity({ endpoint: at, handshake, credentials: files.credentials, clock, signal });
  })();
  const admission = (async () => {
    const { outcome } = await identity;
    if (files === undefined || outcome === "skipped") return { finding: await identity, daemonTime: undefined };
    if (outcome === "failed") return { finding: skippedFor("daemon_identity"), daemonTime: undefined };
    return await examineAdmission(at, files.credentials, clock, signal);
  })();
  const quic = (async (): Promise<Finding> => {
    if (files === undefined) return skippedFor("credentials");
    const { credentials } = files;
    return await examineQuic({ endpoint: at, credentials, preference, availability, tcpAnswers, signal });
  })();
  const check = (name: string, finding: Promise<Finding>): Check => {
    // Whoever runs the checks hears of it, however late that is.
    finding.catch(() => {});
    return { name, subject: endpoint, examine: () => finding };
  };
  const daemonTime = admission.then((found) => found.daemonTime).catch(() => undefined);
  return {
    daemonTime,
    checks: [
      check("daemon_address", address),
      check("daemon_identity", identity),
      check("admission", admission.then(({ finding }) => finding)),
      check("quic", quic),
    ],
  };
}

const ROUTE_CHECKS: readonly string[] = ["daemon_address", "daemon_identity", "admission"];

/** A daemon with several endpoints can do without one of them: failures there are warnings where another one works. */
export function weighRoutes(results: readonly CheckResult[]): CheckResult[] {
  const works = results.some(({ name, finding }) => name === "admission" && finding.outcome === "ok");
  if (!works) return [...results];
  return results.map((result) => {
    const { name, finding } = result;
    const lesser = ROUTE_CHECKS.includes(name) && finding.outcome === "failed";
    return lesser ? { ...result, finding: { ...finding, outcome: "warning" } } : result;
  });
}
