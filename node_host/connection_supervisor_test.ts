import assert from "node:assert/strict";
import { configureSync, type LogRecord, resetSync } from "@logtape/logtape";
import { PalyraError } from "../identity/palyra_error.ts";
import type { ReasonCode } from "../identity/reason_code.ts";
import { unixMs } from "../identity/unix_ms.ts";
import { ReconnectBackoff } from "../transport/program/reconnect_backoff.ts";
import type { NodeSession, SessionDialer } from "../transport/session.ts";
import type { ConnectionStatus } from "./connection_status.ts";
import { ConnectionSupervisor, type ConnectionSupervisorOptions } from "./connection_supervisor.ts";
import { ScriptedDaemon } from "./testing/scripted_daemon.ts";
import { sessionPair } from "./testing/session_pair.ts";
import { HeldCapability, newRequestId, SELF, testDesk } from "./testing/test_node.ts";
import type { WorkDesk } from "./work_desk.ts";

type Answer = (daemon: ScriptedDaemon) => void;

/** Dials as the test says: each dial takes the next answer, an error or what the daemon does with the session. */
class ScriptedDialer implements SessionDialer {
  readonly transport = "grpc";
  readonly name: string;
  readonly #answers: (Answer | PalyraError)[];
  readonly #log: string[];

  constructor(name: string, log: string[], answers: (Answer | PalyraError)[]) {
    this.name = name;
    this.#log = log;
    this.#answers = answers;
  }

  dial(signal: AbortSignal): Promise<NodeSession> {
    this.#log.push(this.name);
    const answer = this.#answers.shift();
    if (answer instanceof PalyraError) return Promise.reject(answer);
    if (answer === undefined) {
      return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true }));
    }
    const { node, daemon } = sessionPair();
    answer(new ScriptedDaemon(daemon));
    return Promise.resolve(node);
  }
}

interface Fixture {
  readonly supervisor: ConnectionSupervisor;
  readonly running: Promise<void>;
  readonly stop: AbortController;
  readonly statuses: ConnectionStatus[];
  readonly dials: string[];
  /** Resolves with the first status of this state that was not waited for yet. */
  until(state: ConnectionStatus["state"]): Promise<ConnectionStatus>;
}

function supervise(
  answersByTarget: (Answer | PalyraError)[][],
  changes: Partial<ConnectionSupervisorOptions> = {},
  desk: WorkDesk = testDesk(),
): Fixture {
  const stop = new AbortController();
  const statuses: ConnectionStatus[] = [];
  const dials: string[] = [];
  let seen = 0;
  let changed = Promise.withResolvers<void>();
  const supervisor = new ConnectionSupervisor({
    targets: answersByTarget.map((answers, at) => ({
      endpoint: `daemon-${at}:7444`,
      dialer: new ScriptedDialer(`daemon-${at}`, dials, answers),
    })),
    desk,
    describe: () => Promise.resolve(SELF),
    certificateExpiresAt: () => unixMs(Date.now() + 3_600_000),
    onStatus: (status) => {
      statuses.push(status);
      changed.resolve();
      changed = Promise.withResolvers();
    },
    backoff: new ReconnectBackoff({ baseMs: 1, maxMs: 1 }),
    ...changes,
  });
  const running = supervisor.run(stop.signal);
  running.catch(() => {});
  const until = async (state: ConnectionStatus["state"]): Promise<ConnectionStatus> => {
    for (;;) {
      const status = statuses[seen];
      if (status === undefined) {
        // deno-lint-ignore no-await-in-loop -- waits for one status after the other
        await changed.promise;
      } else {
        seen += 1;
        if (status.state === state) return status;
      }
    }
  };
  return { supervisor, running, stop, statuses, dials, until };
}

const unreachable = () => new PalyraError("daemon_unreachable", "Nothing listens there.");

const goodbye = (code: ReasonCode): Answer => (daemon) => daemon.session.close(code, "The daemon's own words.");

Deno.test("ConnectionSupervisor connects, tells its status, and says why it is not connected any more", async () => {
  const daemons: ScriptedDaemon[] = [];
  const fixture = supervise([[(daemon) => {
    daemons.push(daemon);
    daemon.welcome({ epoch: 9 });
  }]]);
  const connected = await fixture.until("connected");
  assert.equal(connected.epoch, 9);
  assert.equal(connected.transport, "grpc");
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
  const welcoming: Answer = (daemon) => {
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
