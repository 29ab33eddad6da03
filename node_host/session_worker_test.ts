import assert from "node:assert/strict";
import { fingerprintOf } from "../identity/fingerprint.ts";
import { PalyraError } from "../identity/palyra_error.ts";
import { systemClock } from "../identity/unix_ms.ts";
import { AttemptJournal } from "./journal/mod.ts";
import { SessionWorker, type SessionWorkerOptions, type WelcomeFacts } from "./session_worker.ts";
import { ScriptedDaemon } from "./testing/scripted_daemon.ts";
import { sessionPair } from "./testing/session_pair.ts";
import { TestFolder } from "./testing/test_folder.ts";
import { deskWith, DEVICE_ID, HeldCapability, newRequestId, SELF, testDesk } from "./testing/test_node.ts";
import type { TrustHolder } from "./trust_bundle.ts";
import type { WorkDesk } from "./work_desk.ts";

interface Conversation {
  readonly worker: SessionWorker;
  readonly daemon: ScriptedDaemon;
  readonly welcomes: WelcomeFacts[];
}

function converse(desk: WorkDesk, changes: Partial<SessionWorkerOptions> = {}): Conversation {
  const { node, daemon } = sessionPair();
  const welcomes: WelcomeFacts[] = [];
  const worker = new SessionWorker({
    session: node,
    desk,
    self: SELF,
    clock: systemClock,
    onWelcome: (welcome) => welcomes.push(welcome),
    ...changes,
  });
  return { worker, daemon: new ScriptedDaemon(daemon), welcomes };
}

Deno.test("SessionWorker says Hello, waits for its Welcome, works, and reports", async () => {
  const { worker, daemon, welcomes } = converse(testDesk());
  const hello = await daemon.take("hello");
  assert.equal(hello.deviceId?.ulid, DEVICE_ID);
  assert.equal(hello.instanceId, "instance-1");
  assert.equal(hello.maxConcurrency, 32);
  assert.deepEqual([hello.inFlight, hello.finished], [[], []]);
  daemon.welcome({ epoch: 7 });
  const requestId = newRequestId();
  daemon.dispatch({ requestId, attempt: 1, inputJson: new TextEncoder().encode('"hi"') });
  const result = await daemon.take("result");
  assert.deepEqual(result.attempt, { requestId: { ulid: requestId }, attempt: 1 });
  assert.equal(result.success, true);
  assert.deepEqual(JSON.parse(new TextDecoder().decode(result.outputJson)), { echo: "hi", device_id: DEVICE_ID });
  assert.deepEqual(welcomes.map(({ epoch }) => epoch), [7]);
  daemon.session.close("shutting_down", "The test is over.");
  assert.deepEqual(await worker.ended, { by: "peer", code: "shutting_down", message: "The test is over." });
});

Deno.test("SessionWorker tells which CAs are trusted, takes over others, and says so when they are kept", async () => {
  const [old, next, refused] = [1, 2, 3].map((byte) => fingerprintOf(new Uint8Array([byte])));
  assert.ok(old && next && refused);
  const adopted: string[] = [];
  const trust: TrustHolder = {
    authorities: [old],
    adopt: (pem) => {
      adopted.push(pem);
      if (pem === "refused") return Promise.reject(new PalyraError("daemon_untrusted", "No."));
      return Promise.resolve(pem === "both" ? [old, next] : [next]);
    },
  };
  const { worker, daemon } = converse(testDesk(), { trust });
  assert.deepEqual((await daemon.take("hello")).trustedCaFingerprints, [old]);
  daemon.welcome({ trustBundlePem: "both" });
  assert.deepEqual((await daemon.take("trustBundleStored")).caFingerprints, [old, next]);
  daemon.send({ $case: "trustBundle", value: { pem: "refused" } });
  daemon.send({ $case: "trustBundle", value: { pem: "next" } });
  assert.deepEqual((await daemon.take("trustBundleStored")).caFingerprints, [next], "what was refused was not said");
  assert.deepEqual(adopted, ["both", "refused", "next"]);
  daemon.session.close("shutting_down", "The test is over.");
  await worker.ended;
});

Deno.test("SessionWorker names running and finished work in the next Hello, and sends the result after the Welcome", async () => {
  const held = new HeldCapability("held", false);
  const desk = testDesk(held);
  const first = converse(desk);
  await first.daemon.take("hello");
  first.daemon.welcome();
  const [running, finished] = [newRequestId(), newRequestId()];
  first.daemon.dispatch({ requestId: running, attempt: 3, capability: "held" });
  await first.daemon.take("accepted");
  await first.daemon.take("progress");
  first.daemon.dispatch({ requestId: finished, attempt: 1 });
  await first.daemon.take("result");
  first.daemon.session.abort("connection_lost", "cut");
  assert.equal((await first.worker.ended).by, "network");

  const second = converse(desk);
  const hello = await second.daemon.take("hello");
  assert.deepEqual(hello.inFlight, [{ requestId: { ulid: running }, attempt: 3 }]);
  assert.deepEqual(hello.finished, [{ requestId: { ulid: finished }, attempt: 1 }]);
  assert.deepEqual(second.daemon.untaken, []);
  second.daemon.welcome({ epoch: 2 });
  assert.equal((await second.daemon.take("accepted")).attempt?.requestId?.ulid, running);
  assert.equal((await second.daemon.take("result")).attempt?.requestId?.ulid, finished);
  second.daemon.acknowledge(finished, 1);
  held.finish(null);
  assert.equal((await second.daemon.take("result")).attempt?.requestId?.ulid, running);
  assert.equal(held.starts, 1);
  second.daemon.session.close("shutting_down", "over");
  await second.worker.ended;
});

Deno.test("SessionWorker names the journal and what was cut off in its Hello, until the daemon acknowledges that", async () => {
  await using folder = await TestFolder.create();
  const cutOff = { requestId: newRequestId(), attempt: 2 };
  {
    await using journal = await AttemptJournal.open(folder.path);
    await journal.start(cutOff);
  }
  await using journal = await AttemptJournal.open(folder.path);
  const desk = deskWith([], { journal });
  const interrupted = [{ requestId: { ulid: cutOff.requestId }, attempt: 2 }];
  const first = converse(desk);
  const hello = await first.daemon.take("hello");
  assert.deepEqual([hello.journalId, hello.interrupted], [journal.id, interrupted]);
  first.daemon.welcome();
  first.daemon.session.close("shutting_down", "The test goes on.");
  await first.worker.ended;
  const second = converse(desk);
  assert.deepEqual((await second.daemon.take("hello")).interrupted, interrupted);
  second.daemon.welcome();
  second.daemon.acknowledge(cutOff.requestId, 2);
  second.daemon.session.close("shutting_down", "The test is over.");
  await second.worker.ended;
  assert.deepEqual(desk.interrupted, []);
  const third = converse(testDesk());
  assert.equal((await third.daemon.take("hello")).journalId, "", "there is none");
  third.daemon.session.close("shutting_down", "The test is over.");
  await third.worker.ended;
});

Deno.test("SessionWorker ignores a dispatch of another epoch", async () => {
  const { worker, daemon } = converse(testDesk());
  await daemon.take("hello");
  daemon.welcome({ epoch: 5 });
  daemon.dispatch({ requestId: newRequestId(), attempt: 1, epoch: 4 });
  const current = newRequestId();
  daemon.dispatch({ requestId: current, attempt: 1, epoch: 5 });
  assert.equal((await daemon.take("result")).attempt?.requestId?.ulid, current);
  daemon.session.close("shutting_down", "over");
  await worker.ended;
});

Deno.test("SessionWorker stops a running capability when the daemon cancels it", async () => {
  const held = new HeldCapability("held", false);
  const { worker, daemon } = converse(testDesk(held));
  await daemon.take("hello");
  daemon.welcome();
  const requestId = newRequestId();
  daemon.dispatch({ requestId, attempt: 1, capability: "held" });
  await daemon.take("accepted");
  await daemon.take("progress");
  daemon.cancel(requestId, 1, "cancelled by the operator");
  const result = await daemon.take("result");
  assert.equal(held.signal?.aborted, true);
  assert.equal(result.errorCode, "cancelled");
  held.finish(null);
  daemon.session.close("shutting_down", "over");
  await worker.ended;
});

Deno.test("SessionWorker ends with the daemon's Goodbye, and with a code of its own for an unknown one", async () => {
  for (const [said, understood] of [["device_revoked", "device_revoked"], ["from_the_future", "connection_lost"]]) {
    const { worker, daemon } = converse(testDesk());
    daemon.send({ $case: "goodbye", value: { reasonCode: said ?? "", message: "No\u001b[2J." } });
    daemon.session.abort("connection_lost", "cut");
    // deno-lint-ignore no-await-in-loop -- one conversation after the other
    const end = await worker.ended;
    assert.deepEqual([end.by, end.code, end.message], ["peer", understood, "No?[2J."]);
  }
});

Deno.test("SessionWorker ends the session when the daemon breaks the protocol", async () => {
  const breaches: ((daemon: ScriptedDaemon) => void)[] = [
    (daemon) => daemon.send({ $case: "heartbeat", value: {} }),
    (daemon) => daemon.dispatch({ requestId: newRequestId(), attempt: 1 }),
    (daemon) => {
      daemon.welcome();
      daemon.welcome();
    },
    (daemon) => {
      daemon.welcome();
      daemon.dispatch({ requestId: newRequestId(), attempt: 0 });
    },
    (daemon) => {
      daemon.welcome();
      daemon.send({ $case: "cancel", value: { attempt: undefined, reason: "" } });
    },
    (daemon) => daemon.welcome({ abandoned: [{ requestId: { ulid: "no" }, attempt: 1 }] }),
  ];
  for (const breach of breaches) {
    const { worker, daemon } = converse(testDesk());
    breach(daemon);
    // deno-lint-ignore no-await-in-loop -- one conversation after the other
    const end = await worker.ended;
    assert.deepEqual([end.by, end.code], ["local", "protocol_mismatch"]);
  }
});

Deno.test("SessionWorker gives up a daemon that does not welcome it", async () => {
  const { worker, daemon } = converse(testDesk(), { welcomeTimeoutMs: 20 });
  await daemon.take("hello");
  const end = await worker.ended;
  assert.deepEqual([end.by, end.code], ["local", "deadline_exceeded"]);
});

Deno.test("SessionWorker keeps sending heartbeats once it is welcome, and none before or after", async () => {
  const { worker, daemon } = converse(testDesk(), { heartbeatIntervalMs: 5 });
  await daemon.take("hello");
  assert.equal(daemon.heartbeats, 0);
  daemon.welcome();
  // deno-lint-ignore no-await-in-loop -- waits for one arrival after the other
  while (daemon.heartbeats < 3) await daemon.arrival();
  daemon.session.close("shutting_down", "over");
  await worker.ended;
});

Deno.test("SessionWorker cuts a daemon that falls silent", async () => {
  const { worker, daemon } = converse(testDesk(), { heartbeatIntervalMs: 5 });
  await daemon.take("hello");
  // Heartbeats go unanswered from here on.
  daemon.session.onMessage = () => {};
  daemon.welcome({ keepAliveMs: 1 });
  const end = await worker.ended;
  assert.deepEqual([end.by, end.code], ["local", "keep_alive_missed"]);
});

Deno.test("SessionWorker bears less silence than the daemon allows, where its pace says so", async () => {
  const { worker, daemon } = converse(testDesk(), { heartbeatIntervalMs: 5, silenceLimitMs: 1 });
  await daemon.take("hello");
  daemon.session.onMessage = () => {};
  daemon.welcome({ keepAliveMs: 3_600_000 });
  const end = await worker.ended;
  assert.deepEqual([end.by, end.code], ["local", "keep_alive_missed"]);
});

Deno.test("SessionWorker.drain() says so once it is welcome, and still sends results", async () => {
  const held = new HeldCapability("held", false);
  const { worker, daemon } = converse(testDesk(held));
  worker.drain();
  await daemon.take("hello");
  daemon.welcome();
  daemon.dispatch({ requestId: newRequestId(), attempt: 1, capability: "held" });
  await daemon.take("accepted");
  await daemon.take("progress");
  worker.drain();
  await daemon.take("draining");
  held.finish("done");
  assert.equal((await daemon.take("result")).success, true);
  daemon.session.close("shutting_down", "over");
  await worker.ended;
});
