import assert from "node:assert/strict";
import { CertificateAuthority } from "../identity/certificate_authority.ts";
import { parseCertificateFacts } from "../identity/certificate_facts.ts";
import { type Clock, systemClock, unixMs } from "../identity/unix_ms.ts";
import { CapabilityRegistry, MediationPolicy } from "./capabilities/mod.ts";
import { readConnectionStatus } from "./connection_status.ts";
import { runNodeHost } from "./node_host.ts";
import { NodeHostState } from "./node_host_state.ts";
import { NodeListener } from "./testing/node_listener.ts";
import { pairState } from "./testing/paired_state.ts";
import { TestFolder } from "./testing/test_folder.ts";
import { HeldCapability, newRequestId } from "./testing/test_node.ts";

const DAY_MS = 86_400_000;

Deno.test("runNodeHost() renews a certificate that is about to expire, and its work goes on over the new session", async () => {
  await using folder = await TestFolder.create();
  using state = await NodeHostState.open(folder.path);
  let caClock: Clock = () => unixMs(Date.now() - DAY_MS + 50_000);
  const ca = await CertificateAuthority.create({ clock: () => caClock() });
  const pairing = await pairState(state, ca, DAY_MS);
  caClock = systemClock;
  await using listener = await NodeListener.start(ca);
  await state.writeRecord({ ...pairing.record, nodeEndpoints: [listener.endpoint] });
  // The daemon takes its time, so that there is work when the session is opened again.
  const mayIssue = Promise.withResolvers<void>();
  const { issuer } = listener;
  issuer.answers.push(async (rotation) => {
    await mayIssue.promise;
    return await issuer.issue(rotation);
  });
  const held = new HeldCapability("held", false);
  const stop = new AbortController();
  const running = runNodeHost({
    state,
    registry: new CapabilityRegistry([held.capability], new MediationPolicy()),
    maxConcurrency: 4,
  }, stop.signal);

  const first = await listener.nextSession();
  assert.equal(first.session.peer.fingerprint, parseCertificateFacts(pairing.certificatePem).fingerprint);
  await first.take("hello");
  first.welcome();
  const requestId = newRequestId();
  first.dispatch({ requestId, attempt: 1, capability: "held" });
  await first.take("accepted");
  mayIssue.resolve();

  const second = await listener.nextSession();
  const renewed = await state.credentials();
  assert.equal(second.session.peer.fingerprint, parseCertificateFacts(renewed.certificatePem).fingerprint);
  assert.notEqual(renewed.certificatePem, pairing.certificatePem);
  const hello = await second.take("hello");
  assert.deepEqual(hello.inFlight.map((attempt) => attempt.requestId?.ulid), [requestId]);
  second.welcome({ epoch: 2 });
  await second.take("accepted");
  held.finish("done");
  assert.equal((await second.take("result")).success, true);
  second.acknowledge(requestId, 1);
  stop.abort();
  await running;
  assert.equal(issuer.rotations.length, 1);
  assert.equal((await readConnectionStatus(folder.path))?.renewalFailure, undefined);
});

Deno.test("runNodeHost() keeps the reason of a failed renewal for status", async () => {
  await using folder = await TestFolder.create();
  using state = await NodeHostState.open(folder.path);
  let caClock: Clock = () => unixMs(Date.now() - 0.9 * DAY_MS);
  const ca = await CertificateAuthority.create({ clock: () => caClock() });
  const pairing = await pairState(state, ca, DAY_MS);
  caClock = systemClock;
  await using listener = await NodeListener.start(ca);
  await state.writeRecord({ ...pairing.record, nodeEndpoints: [listener.endpoint] });
  listener.issuer.answers.push(() => Promise.resolve(""), () => new Promise(() => {}));
  const stop = new AbortController();
  const failed = Promise.withResolvers<void>();
  const running = runNodeHost({
    state,
    registry: new CapabilityRegistry([], new MediationPolicy()),
    maxConcurrency: 4,
    onStatus: ({ renewalFailure }) => {
      if (renewalFailure !== undefined) failed.resolve();
    },
  }, stop.signal);
  const daemon = await listener.nextSession();
  daemon.welcome();
  await failed.promise;
  stop.abort();
  await running;
  assert.equal((await readConnectionStatus(folder.path))?.renewalFailure?.code, "daemon_untrusted");
});
