import assert from "node:assert/strict";
import { newDeviceId, newUlid } from "../../identity/device_id.ts";
import { fingerprintOf } from "../../identity/fingerprint.ts";
import { PalyraError } from "../../identity/palyra_error.ts";
import { unixMs } from "../../identity/unix_ms.ts";
import type { StatusReport } from "../status_report.ts";
import { quicFailed } from "../transport_choice.ts";
import { statusJson, statusLines } from "./status_command.ts";

const NOW = unixMs(1_790_000_000_000);
const before = (ms: number) => unixMs(NOW - ms);
const HOUR_MS = 3_600_000;

const CONNECTED: StatusReport = {
  stateFolder: "/state/node-host",
  record: {
    deviceId: newDeviceId(),
    deviceName: "box",
    nodeEndpoints: ["daemon.example:7444"],
    enrolmentEndpoints: ["daemon.example:7445"],
    caFingerprint: fingerprintOf(new Uint8Array(1)),
    pairedAt: before(50 * HOUR_MS),
    installedAt: before(50 * HOUR_MS),
  },
  pending: undefined,
  certificateExpiresAt: unixMs(NOW + 5 * HOUR_MS),
  certificateRenewsAt: unixMs(NOW + 2 * HOUR_MS),
  process: { pid: 4711, startTime: "1", startedAt: before(HOUR_MS) },
  connection: {
    state: "connected",
    choice: { transport: "quic", reason: "preferred", explanation: "preferred" },
    daemonEndpoint: "daemon.example:7444",
    since: before(180_000),
    epoch: 3,
    lastFailure: undefined,
    nextTryAt: undefined,
  },
  paired: true,
  connected: true,
};

const words = (report: StatusReport) => statusLines(report, NOW).map((line) => line.replaceAll(/ {2,}/g, ": "));

Deno.test("statusLines() says what a connected host is connected to and for how long", () => {
  assert.deepEqual(words(CONNECTED), [
    "state: connected",
    `device: box (${CONNECTED.record?.deviceId})`,
    "daemon: daemon.example:7444",
    "paired: 2 d ago",
    "certificate: expires in 5 h, renews in 2 h",
    "process: 4711, started 1 h ago",
    "connected: 3 min ago",
    "transport: quic (preferred)",
  ]);
});

Deno.test("statusLines() tells why a host is not connected, and when it tries again", () => {
  const connection = {
    state: "waiting" as const,
    choice: CONNECTED.connection?.choice,
    daemonEndpoint: "daemon.example:7444",
    since: NOW,
    epoch: undefined,
    lastFailure: { code: "daemon_unreachable" as const, message: "Nothing listens at the daemon's address." },
    nextTryAt: unixMs(NOW + 9_000),
  };
  const lines = words({
    ...CONNECTED,
    connected: false,
    connection,
    certificateExpiresAt: before(HOUR_MS),
  });
  assert.equal(lines[0], "state: running, not connected (waiting)");
  assert.ok(lines.includes("certificate: expired 1 h ago"));
  assert.deepEqual(lines.slice(-2), ["next try: in 9 s", "last error: Nothing listens at the daemon's address."]);
  const stopped = words({ ...CONNECTED, connected: false, connection, process: undefined });
  assert.equal(stopped[0], "state: not running; start it with `palyra-node run`");
  assert.ok(!stopped.some((line) => line.startsWith("next try")));
});

Deno.test("statusLines() and statusJson() say over what a host is connected, and why", () => {
  const { connection } = CONNECTED;
  assert.ok(connection);
  const choice = quicFailed(new PalyraError("connection_limit", "The daemon has 256 connections already."));
  const report = { ...CONNECTED, connection: { ...connection, choice } };
  assert.equal(words(report).at(-1), "transport: grpc (QUIC failed: The daemon has 256 connections already)");
  const json = statusJson(report)["connection"] as Record<string, unknown>;
  assert.equal(json["transport"], "grpc");
  assert.equal(json["transport_reason"], "quic_failed");
  assert.equal(json["transport_explanation"], "QUIC failed: The daemon has 256 connections already");
});

Deno.test("statusLines() and statusJson() tell when the certificate is renewed, and why it was not", () => {
  const certificate = (report: StatusReport) => words(report).filter((line) => /^(certificate|renewal)/.test(line));
  const { connection } = CONNECTED;
  assert.ok(connection);
  assert.deepEqual(certificate({ ...CONNECTED, process: undefined, connected: false }), [
    "certificate: expires in 5 h; it is renewed while palyra-node runs",
  ]);
  const due = { ...CONNECTED, certificateRenewsAt: before(HOUR_MS) };
  assert.deepEqual(certificate(due), ["certificate: expires in 5 h, renews now"]);
  assert.deepEqual(certificate({ ...due, connected: false }), ["certificate: expires in 5 h, renews once connected"]);
  const renewalFailure = {
    code: "rate_limited" as const,
    message: "The device has 8 valid certificates; use one of them.",
    nextTryAt: unixMs(NOW + 180_000),
  };
  const failing = { ...due, connection: { ...connection, renewalFailure } };
  assert.deepEqual(certificate(failing), [
    "certificate: expires in 5 h; renewing it failed, next try in 3 min",
    "renewal error: The device has 8 valid certificates; use one of them.",
  ]);
  assert.deepEqual(certificate({ ...failing, certificateExpiresAt: before(HOUR_MS) }), [
    "certificate: expired 1 h ago",
  ]);
  const json = statusJson(failing);
  assert.equal(json["cert_renews_at_unix_ms"], before(HOUR_MS));
  assert.deepEqual((json["connection"] as Record<string, unknown>)["renewal_error"], {
    code: renewalFailure.code,
    message: renewalFailure.message,
    next_retry_unix_ms: renewalFailure.nextTryAt,
  });
  assert.equal((statusJson(CONNECTED)["connection"] as Record<string, unknown>)["renewal_error"], null);
});

Deno.test("statusLines() and statusJson() tell what the journal holds, and of a damaged one", () => {
  const journal = (counts: { attempts: number; finished: number } | undefined, setAside?: string) => {
    const report = { ...CONNECTED, journal: { counts, setAside } };
    return { lines: words(report).filter((line) => line.includes("journal")), json: statusJson(report)["journal"] };
  };
  assert.deepEqual(journal({ attempts: 0, finished: 0 }), {
    lines: ["journal: empty"],
    json: { attempts: 0, unacknowledged_results: 0, damaged_set_aside: null },
  });
  assert.deepEqual(journal({ attempts: 1, finished: 0 }).lines, ["journal: 1 attempt"]);
  assert.deepEqual(journal({ attempts: 3, finished: 2 }, "/state/journal.damaged.sqlite"), {
    lines: [
      "journal: 3 attempts, 2 with a result that the daemon has not acknowledged",
      "damaged journal: set aside as /state/journal.damaged.sqlite; remove it once you have looked at it",
    ],
    json: { attempts: 3, unacknowledged_results: 2, damaged_set_aside: "/state/journal.damaged.sqlite" },
  });
  assert.deepEqual(journal(undefined), {
    lines: ["journal: cannot be read"],
    json: { attempts: null, unacknowledged_results: null, damaged_set_aside: null },
  });
  assert.equal(statusJson(CONNECTED)["journal"], null);
});

Deno.test("statusLines() and statusJson() tell a host that waits for its approval from one that never paired", () => {
  const unpaired: StatusReport = {
    stateFolder: "/state/node-host",
    record: undefined,
    pending: undefined,
    certificateExpiresAt: undefined,
    certificateRenewsAt: undefined,
    process: undefined,
    connection: undefined,
    paired: false,
    connected: false,
  };
  assert.deepEqual(words(unpaired), ["state: not paired; run `palyra-node pair`"]);
  assert.equal(statusJson(unpaired)["pending"], null);
  assert.ok(CONNECTED.record);
  const pending = { ...CONNECTED.record, sessionId: newUlid(), requestedAt: before(60_000) };
  assert.deepEqual(words({ ...unpaired, pending }), [
    "state: waiting for approval; `palyra-node pair` goes on with it",
    `request: ${pending.sessionId}, made 1 min ago`,
  ]);
  assert.deepEqual(statusJson({ ...unpaired, pending })["pending"], {
    request_id: pending.sessionId,
    requested_at_unix_ms: pending.requestedAt,
  });
});
