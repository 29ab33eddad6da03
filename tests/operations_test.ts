import assert from "node:assert/strict";
import { Fleet } from "./harness/fleet.ts";

Deno.test("palyrad tells Prometheus and a probe how it stands, on loopback and only when asked to", async () => {
  await using fleet = await Fleet.create();
  await fleet.startDaemon(["--operations-port", "0"]);
  const ready = JSON.parse(await fleet.daemon.line((line) => line.startsWith('{"event":"ready"')));
  const get = async (path: string) => {
    const response = await fetch(`http://${ready.operations}${path}`);
    return { status: response.status, text: await response.text() };
  };
  await fleet.pair("laptop");
  await fleet.connect("laptop", ["--transport", "quic"]);
  await fleet.palyrad("nodes", "invoke", "laptop", "echo");

  assert.equal((await get("/healthz")).status, 200);
  assert.equal((await get("/readyz")).status, 200);
  const { text } = await get("/metrics");
  for (
    const line of [
      'palyrad_nodes_connected{transport="quic"} 1',
      'palyrad_nodes_connected{transport="grpc"} 0',
      "palyrad_dispatches_total 1",
      'palyrad_requests_ended_total{state="succeeded"} 1',
      'palyrad_connections{listener="quic"} 1',
    ]
  ) {
    assert.ok(text.split("\n").includes(line), `${line}\n${text}`);
  }
  assert.match(text, /^palyrad_quic_datagrams_total\{outcome="received"\} [1-9]/m);
  assert.match(text, /^palyrad_store_commits_total [1-9]/m);
});

Deno.test("palyrad serves no metrics when nobody asked for them", async () => {
  await using fleet = await Fleet.create();
  await fleet.startDaemon();
  const ready = JSON.parse(await fleet.daemon.line((line) => line.startsWith('{"event":"ready"')));
  assert.equal(ready.operations, undefined);
});
