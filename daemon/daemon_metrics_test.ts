import assert from "node:assert/strict";
import { unixMs } from "../identity/unix_ms.ts";
import { PROJECT_VERSION } from "../transport/program/version.ts";
import { daemonMetrics, type DaemonMetricsSources } from "./daemon_metrics.ts";
import { IgnoredReports } from "./ignored_reports.ts";
import { metricsText } from "./metrics_text.ts";
import { RequestCounters } from "./request_counters.ts";

const IDLE: DaemonMetricsSources = {
  startedAt: unixMs(1_700_000_000_500),
  nodesConnected: () => 0,
  requests: () => ({ queued: 0, inFlight: 0 }),
  requestCounters: new RequestCounters(),
  ignoredReports: new IgnoredReports(),
  pairingSessions: () => 0,
  listeners: () => [],
  datagrams: () => undefined,
  storeCommits: () => 0,
};

/** The values of all series by their text before the value. */
function seriesOf(sources: DaemonMetricsSources): ReadonlyMap<string, number> {
  const lines = metricsText(daemonMetrics(sources)).split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(lines.map((line) => {
    const end = line.lastIndexOf(" ");
    return [line.slice(0, end), Number(line.slice(end + 1))];
  }));
}

Deno.test("daemonMetrics() has the names that Prometheus asks for, each once, and a sentence for each", () => {
  const metrics = daemonMetrics(IDLE);
  assert.equal(new Set(metrics.map(({ name }) => name)).size, metrics.length);
  for (const { name, type, help, samples } of metrics) {
    assert.match(name, /^palyrad(_[a-z]+)+$/);
    assert.equal(name.endsWith("_total"), type === "counter", name);
    assert.match(help, /^[A-Z].*\.$/);
    for (const { labels = {} } of samples) {
      for (const label of Object.keys(labels)) assert.match(label, /^[a-z]+(_[a-z]+)*$/);
    }
  }
});

Deno.test("daemonMetrics() begins with zero where something may come, and with nothing for a listener that is off", () => {
  const series = seriesOf(IDLE);
  for (
    const name of [
      'palyrad_nodes_connected{transport="grpc"}',
      'palyrad_nodes_connected{transport="quic"}',
      'palyrad_requests{state="queued"}',
      'palyrad_requests{state="in_flight"}',
      'palyrad_requests_ended_total{state="lost"}',
      "palyrad_dispatches_total",
      'palyrad_node_reports_ignored_total{reason="late_result"}',
      "palyrad_store_commits_total",
      "palyrad_pairing_sessions",
    ]
  ) assert.equal(series.get(name), 0, name);
  assert.deepEqual([...series.keys()].filter((name) => /connections|datagrams/.test(name)), []);
});

Deno.test("daemonMetrics() reads its sources each time", () => {
  const requestCounters = new RequestCounters();
  let [queued, commits, connected] = [3, 10, 2];
  const sources: DaemonMetricsSources = {
    ...IDLE,
    requestCounters,
    nodesConnected: (transport) => transport === "quic" ? connected : 1,
    requests: () => ({ queued, inFlight: 4 }),
    pairingSessions: () => 5,
    storeCommits: () => commits,
    listeners: () => [
      {
        name: "node_rpc",
        connections: 6,
        refusals: new Map([["certificate_revoked", 7], ["connection_limit", 8]]),
      },
      { name: "quic", connections: 9, refusals: new Map([["rate_limited", 11]]) },
    ],
    datagrams: () => ({ received: 12, sent: 13, dropped: 14 }),
  };
  requestCounters.countDispatch();
  requestCounters.countEnd("failed");
  const expected: [string, number][] = [
    [`palyrad_build_info{version="${PROJECT_VERSION}",deno_version="${Deno.version.deno}"}`, 1],
    ["palyrad_start_time_seconds", 1_700_000_000.5],
    ['palyrad_nodes_connected{transport="grpc"}', 1],
    ['palyrad_nodes_connected{transport="quic"}', 2],
    ['palyrad_requests{state="queued"}', 3],
    ['palyrad_requests{state="in_flight"}', 4],
    ["palyrad_dispatches_total", 1],
    ['palyrad_requests_ended_total{state="failed"}', 1],
    ['palyrad_requests_ended_total{state="succeeded"}', 0],
    ["palyrad_store_commits_total", 10],
    ["palyrad_pairing_sessions", 5],
    ['palyrad_connections{listener="node_rpc"}', 6],
    ['palyrad_connections{listener="quic"}', 9],
    ['palyrad_connections_refused_total{listener="node_rpc",reason="certificate_revoked"}', 7],
    ['palyrad_connections_refused_total{listener="node_rpc",reason="connection_limit"}', 8],
    ['palyrad_connections_refused_total{listener="quic",reason="rate_limited"}', 11],
    ['palyrad_quic_datagrams_total{outcome="received"}', 12],
    ['palyrad_quic_datagrams_total{outcome="sent"}', 13],
    ['palyrad_quic_datagrams_total{outcome="dropped"}', 14],
  ];
  const series = seriesOf(sources);
  for (const [name, value] of expected) assert.equal(series.get(name), value, name);

  [queued, commits, connected] = [0, 20, 0];
  const later = seriesOf(sources);
  assert.equal(later.get('palyrad_requests{state="queued"}'), 0);
  assert.equal(later.get("palyrad_store_commits_total"), 20);
  assert.equal(later.get('palyrad_nodes_connected{transport="quic"}'), 0);
});

Deno.test("daemonMetrics() tells the process's memory and age", () => {
  const series = seriesOf(IDLE);
  const [resident = 0, heap = 0] = ["palyrad_resident_memory_bytes", "palyrad_heap_used_bytes"].map((name) =>
    series.get(name)
  );
  assert.ok(heap > 0 && resident > heap, `${resident} bytes resident, ${heap} of heap`);
  assert.ok((series.get("palyrad_external_memory_bytes") ?? -1) >= 0);
  assert.ok((series.get("palyrad_uptime_seconds") ?? 0) > 0);
});
