import assert from "node:assert/strict";
import { newDeviceId, newUlid } from "../../identity/device_id.ts";
import { fingerprintOf } from "../../identity/fingerprint.ts";
import { unixMs } from "../../identity/unix_ms.ts";
import type { StatusReport } from "../status_report.ts";
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
  process: { pid: 4711, processStartTime: "1", startedAt: before(HOUR_MS) },
  connection: {
    state: "connected",
    transport: "grpc",
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
    "certificate: expires in 5 h",
    "process: 4711, started 1 h ago",
    "connected: over grpc, since 3 min ago",
  ]);
});

Deno.test("statusLines() tells why a host is not connected, and when it tries again", () => {
  const connection = {
    ...CONNECTED.connection,
    state: "waiting" as const,
    transport: "grpc" as const,
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

Deno.test("statusLines() and statusJson() tell a host that waits for its approval from one that never paired", () => {
  const unpaired: StatusReport = {
    stateFolder: "/state/node-host",
    record: undefined,
    pending: undefined,
    certificateExpiresAt: undefined,
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
