import assert from "node:assert/strict";
import { configureSync, type LogRecord, resetSync } from "@logtape/logtape";
import { PalyraError } from "../identity/palyra_error.ts";
import type { ReasonCode } from "../identity/reason_code.ts";
import { unixMs } from "../identity/unix_ms.ts";
import { ReconnectBackoff } from "../transport/program/reconnect_backoff.ts";
import type { ScriptedDaemon } from "./testing/scripted_daemon.ts";
import type { DialAnswer } from "./testing/scripted_dialer.ts";
import { GRPC_REQUESTED, supervise } from "./testing/supervision.ts";
import { HeldCapability, newRequestId, testDesk } from "./testing/test_node.ts";

const unreachable = () => new PalyraError("daemon_unreachable", "Nothing listens there.");

const goodbye = (code: ReasonCode): DialAnswer => (daemon) => daemon.session.close(code, "The daemon's own words.");

Deno.test("ConnectionSupervisor connects, tells its status, and says why it is not connected any more", async () => {
  const daemons: ScriptedDaemon[] = [];
  const fixture = supervise([[(daemon) => {
    daemons.push(daemon);
    daemon.welcome({ epoch: 9 });
  }]]);
  const connected = await fixture.until("connected");
  assert.equal(connected.epoch, 9);
  assert.deepEqual(connected.choice, GRPC_REQUESTED);
  assert.equal(connected.daemonEndpoint, "daemon-0:7444");
  assert.equal(connected.lastFailure, undefined);
  daemons[0]?.session.close("shutting_down", "The daemon is stopping.");
  const waiting = await fixture.until("waiting");
  assert.equal(waiting.epoch, undefined);
  assert.deepEqual(waiting.lastFailure, { code: "shutting_down", message: "The daemon is stopping." });
  assert.ok(waiting.nextTryAt !== undefined);
  assert.equal((await fixture.until("connecting")).lastFailure?.code, "shutting_down");
  fixture.stop.abort();
  await fixture.running;
  assert.equal(fixture.statuses.at(-1)?.state, "stopping");
});

Deno.test("ConnectionSupervisor is not connected before the Welcome", async () => {
  const fixture = supervise([[() => {}]]);
  await fixture.until("connecting");
  fixture.stop.abort();
  await fixture.running;
  assert.deepEqual(fixture.statuses.map(({ state }) => state), ["connecting", "stopping"]);
});

Deno.test("ConnectionSupervisor tries every endpoint in turn before it waits, and returns to the one that worked", async () => {
  const fixture = supervise([
    [unreachable(), unreachable()],
    [unreachable(), (daemon) => {
      daemon.welcome();
      daemon.session.close("shutting_down", "restart");
    }],
  ]);
  for (const state of ["waiting", "connected", "connecting"] as const) {
    // deno-lint-ignore no-await-in-loop -- one state after the other
    await fixture.until(state);
  }
  fixture.stop.abort();
  await fixture.running;
  assert.deepEqual(fixture.dials, ["daemon-0", "daemon-1", "daemon-0", "daemon-1", "daemon-1"]);
});

Deno.test("ConnectionSupervisor keeps trying after every failure that may pass", async () => {
  const passing: ReasonCode[] = [
    "daemon_unreachable",
    "daemon_untrusted",
    "certificate_untrusted",
    "deadline_exceeded",
    "slow_peer",
    "internal",
    "session_replaced",
    "protocol_mismatch",
  ];
  const fixture = supervise([[
    ...passing.map((code) => new PalyraError(code, "no")),
    ...passing.map((code) => goodbye(code)),
    (daemon) => daemon.welcome(),
  ]]);
  await fixture.until("connected");
  assert.equal(fixture.dials.length, passing.length * 2 + 1);
  fixture.stop.abort();
  await fixture.running;
});

Deno.test("ConnectionSupervisor gives up when the daemon will not have this device, and names the cure", async () => {
  const finals: [ReasonCode, ReasonCode][] = [
    ["device_revoked", "device_revoked"],
    ["certificate_revoked", "certificate_revoked"],
    ["device_unknown", "device_unknown"],
    ["not_paired", "device_unknown"],
  ];
  for (const [said, thrown] of finals) {
    for (const answer of [goodbye(said), new PalyraError(said, "no")]) {
      const fixture = supervise([[answer]]);
      // deno-lint-ignore no-await-in-loop -- one host after the other
      await assert.rejects(fixture.running, (error: PalyraError) => {
        assert.equal(error.code, thrown);
        assert.match(error.message, /palyra-node unpair --local/);
        return true;
      });
      assert.equal(fixture.dials.length, 1);
      assert.equal(fixture.statuses.at(-1)?.state, "stopping");
      assert.equal(fixture.statuses.at(-1)?.lastFailure?.code, thrown);
    }
  }
});

Deno.test("ConnectionSupervisor explains a refusal by its own expired certificate", async () => {
  const refused = new PalyraError("certificate_untrusted", "closed right after the handshake");
  const fixture = supervise([[refused]], { certificateExpiresAt: () => unixMs(Date.now() - 1) });
  const { lastFailure } = await fixture.until("waiting");
  assert.equal(lastFailure?.code, "certificate_expired");
  assert.match(lastFailure?.message ?? "", /palyra-node pair --force/);
  fixture.stop.abort();
  await fixture.running;
});

Deno.test("ConnectionSupervisor drains when it stops: running work finishes and is acknowledged first", async () => {
  const held = new HeldCapability("held", false);
  const daemons: ScriptedDaemon[] = [];
  const fixture = supervise(
    [[(daemon) => {
      daemons.push(daemon);
      daemon.welcome();
    }]],
    {},
    testDesk(held),
  );
  await fixture.until("connected");
  const [daemon] = daemons;
  assert.ok(daemon);
  await daemon.take("hello");
  const requestId = newRequestId();
  daemon.dispatch({ requestId, attempt: 1, capability: "held" });
  await daemon.take("accepted");
  await daemon.take("progress");
  fixture.stop.abort();
  await daemon.take("draining");
  held.finish("done");
  const result = await daemon.take("result");
  assert.equal(result.success, true);
  let ended = false;
  void fixture.running.then(() => ended = true);
  await Promise.resolve();
  assert.equal(ended, false);
  daemon.acknowledge(requestId, 1);
  await fixture.running;
  assert.deepEqual((await daemon.session.closed).code, "shutting_down");
});

Deno.test("ConnectionSupervisor ends what still runs when the grace is over, and reports it", async () => {
  const held = new HeldCapability("held", false);
  const daemons: ScriptedDaemon[] = [];
  const fixture = supervise(
    [[(daemon) => {
      daemons.push(daemon);
      daemon.welcome();
    }]],
    { graceMs: 1 },
    testDesk(held),
  );
  await fixture.until("connected");
  const [daemon] = daemons;
  assert.ok(daemon);
  await daemon.take("hello");
  const requestId = newRequestId();
  daemon.dispatch({ requestId, attempt: 1, capability: "held" });
  await daemon.take("accepted");
  await daemon.take("progress");
  fixture.stop.abort();
  await daemon.take("draining");
  const result = await daemon.take("result");
  assert.equal(result.errorCode, "shutting_down");
  daemon.acknowledge(requestId, 1);
  await fixture.running;
  held.finish(null);
});

Deno.test("ConnectionSupervisor warns when this machine's clock and the daemon's are far apart", async () => {
  const records: LogRecord[] = [];
  configureSync({
    reset: true,
    sinks: { memory: (record) => records.push(record) },
    loggers: [{ category: ["palyra", "node_host", "connection"], sinks: ["memory"], lowestLevel: "warning" }, {
      category: ["logtape", "meta"],
      lowestLevel: "error",
    }],
  });
  try {
    for (const offMs of [110_000, 130_000, -130_000]) {
      const fixture = supervise([[(daemon) => daemon.welcome({ serverTimeUnixMs: Date.now() + offMs })]]);
      // deno-lint-ignore no-await-in-loop -- one host after the other
      await fixture.until("connected");
      fixture.stop.abort();
      // deno-lint-ignore no-await-in-loop -- one host after the other
      await fixture.running;
    }
  } finally {
    resetSync();
  }
  const warnings = records.filter(({ message }) => message.some((part) => String(part).includes("clock")));
  assert.deepEqual(warnings.map(({ properties }) => properties["direction"]), ["behind", "ahead of"]);
});

Deno.test("ConnectionSupervisor.reconnect() opens another session at once, and running work goes on", async () => {
  const held = new HeldCapability("held", false);
  const daemons: ScriptedDaemon[] = [];
  const welcoming: DialAnswer = (daemon) => {
    daemons.push(daemon);
    daemon.welcome({ epoch: daemons.length });
  };
  const hour = 3_600_000;
  const fixture = supervise(
    [[welcoming, welcoming]],
    { backoff: new ReconnectBackoff({ baseMs: hour, maxMs: hour, random: () => 0.99 }) },
    testDesk(held),
  );
  fixture.supervisor.reconnect();
  await fixture.until("connected");
  const [first] = daemons;
  assert.ok(first);
  await first.take("hello");
  const requestId = newRequestId();
  first.dispatch({ requestId, attempt: 1, capability: "held" });
  await first.take("accepted");
  await first.take("progress");

  fixture.supervisor.reconnect();
  assert.equal((await fixture.until("connected")).epoch, 2);
  const second = daemons[1];
  assert.ok(second);
  const hello = await second.take("hello");
  assert.deepEqual(hello.inFlight.map((attempt) => attempt.requestId?.ulid), [requestId]);
  await second.take("accepted");
  held.finish("done");
  assert.equal((await second.take("result")).success, true);
  assert.deepEqual(
    fixture.statuses.map(({ state, lastFailure }) => [state, lastFailure]),
    ["connecting", "connected", "connecting", "connected"].map((state) => [state, undefined]),
  );
  second.acknowledge(requestId, 1);
  fixture.stop.abort();
  await fixture.running;
});

Deno.test("ConnectionSupervisor stops at once while it waits to try again", async () => {
  const fixture = supervise([[unreachable()]], {
    backoff: new ReconnectBackoff({ baseMs: 3_600_000, maxMs: 3_600_000, random: () => 0.99 }),
  });
  await fixture.until("waiting");
  fixture.stop.abort();
  await fixture.running;
});
