import assert from "node:assert/strict";
import type { PeerCertificate } from "../transport/session.ts";
import { eventsOfPeers } from "./peer_events.ts";
import { DaemonBench } from "./testing/daemon_bench.ts";
import { isError } from "./testing/pairing_bench.ts";

Deno.test("eventsOfPeers() gives a peer its own device's events, and the reason to one that is not let in", async () => {
  await using bench = await DaemonBench.open();
  const [one, other] = [await bench.pairedNode("one"), await bench.pairedNode("other")];
  const peerOf = ({ deviceId }: typeof one): PeerCertificate => {
    const [certificate] = bench.pairing.devices.certificatesOf(deviceId);
    assert.ok(certificate);
    return { fingerprint: certificate.fingerprint, der: new Uint8Array() };
  };
  const read = eventsOfPeers(bench.pairing.devices, bench.events);
  const stopped = new AbortController();
  await bench.events.publish(one.deviceId, { name: "notice.one", payload: {} });
  await bench.events.publish(other.deviceId, { name: "notice.other", payload: {} });
  for await (const event of read(peerOf(other), 2, stopped.signal)) {
    assert.deepEqual([event.sequence, event.name], [3, "notice.other"]);
    stopped.abort();
  }
  await bench.administration.revoke(one.deviceId, "stolen", "owner");
  const refused = read(peerOf(one), 0, new AbortController().signal);
  await assert.rejects(Array.fromAsync(refused), isError("device_revoked"));
});
