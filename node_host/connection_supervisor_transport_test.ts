import assert from "node:assert/strict";
import { PalyraError } from "../identity/palyra_error.ts";
import { ReconnectBackoff } from "../transport/program/reconnect_backoff.ts";
import { AutoDialer } from "./auto_dialer.ts";
import type { DialledSession, NodeDialer } from "./node_dialer.ts";
import { ScriptedDaemon } from "./testing/scripted_daemon.ts";
import { type DialAnswer, ScriptedDialer } from "./testing/scripted_dialer.ts";
import { sessionPair } from "./testing/session_pair.ts";
import { superviseTargets, type Supervision } from "./testing/supervision.ts";
import { HeldCapability, newRequestId, testDesk } from "./testing/test_node.ts";
import { QUIC_HEALED, QUIC_LOST, QUIC_PREFERRED } from "./transport_choice.ts";

const HOUR_MS = 3_600_000;

/** No test waits for it: what goes on does so without a pause. */
const ENDLESS_PAUSE = { baseMs: HOUR_MS, maxMs: HOUR_MS, random: () => 0.99 };

/** A daemon with both transports, seen by a supervisor with an AutoDialer. */
class Fixture {
  readonly quic = new ScriptedDialer("quic");
  readonly grpc = new ScriptedDialer("grpc");
  readonly held = new HeldCapability("held", false);
  readonly supervision: Supervision;
  /** The daemon's ends of the sessions, in the order in which they were opened. */
  readonly daemons: ScriptedDaemon[] = [];

  /** Probes come at once; the head starts are never over. */
  constructor() {
    const { quic, grpc } = this;
    const dialer = new AutoDialer({
      quic,
      grpc,
      quicHeadStartMs: HOUR_MS,
      grpcHeadStartMs: HOUR_MS,
      probeBackoff: new ReconnectBackoff({ baseMs: 1, maxMs: 1 }),
    });
    const targets = [{ endpoint: "daemon:7444", dialer }];
    const backoff = new ReconnectBackoff(ENDLESS_PAUSE);
    this.supervision = superviseTargets(targets, { backoff }, testDesk(this.held));
  }

  /** The daemon opens and welcomes the session. */
  readonly welcomes: DialAnswer = (daemon) => {
    this.daemons.push(daemon);
    daemon.welcome({ epoch: this.daemons.length });
  };

  /** The daemon opens the session and says nothing. */
  readonly opens: DialAnswer = (daemon) => {
    this.daemons.push(daemon);
  };

  /** The daemon of the newest session, after its Hello. */
  async newest(): Promise<ScriptedDaemon> {
    const daemon = this.daemons.at(-1);
    assert.ok(daemon);
    await daemon.take("hello");
    return daemon;
  }

  /** Connected over QUIC, with an attempt that runs. */
  async runOverQuic(): Promise<{ readonly requestId: string }> {
    (await this.quic.pending()).answer(this.welcomes);
    assert.equal((await this.supervision.until("connected")).choice, QUIC_PREFERRED);
    const daemon = await this.newest();
    const requestId = newRequestId();
    daemon.dispatch({ requestId, attempt: 1, capability: "held" });
    await daemon.take("accepted");
    await daemon.take("progress");
    return { requestId };
  }

  /** The newest session over QUIC falls silent, as the worker ends it then. */
  quicFallsSilent(): void {
    this.quic.sessions.at(-1)?.abort("keep_alive_missed", "The daemon has gone silent.");
  }

  /** The attempt ends, its result arrives once, and the host stops. */
  async finish(daemon: ScriptedDaemon, requestId: string): Promise<void> {
    await daemon.take("accepted");
    this.held.finish("done");
    const result = await daemon.take("result");
    assert.equal(result.attempt?.requestId?.ulid, requestId);
    assert.equal(result.success, true);
    daemon.acknowledge(requestId, 1);
    this.supervision.stop.abort();
    await this.supervision.running;
    assert.equal(this.held.starts, 1);
  }
}

Deno.test("ConnectionSupervisor is back on gRPC without a pause when QUIC falls silent, and running work goes on", async () => {
  const fixture = new Fixture();
  const { requestId } = await fixture.runOverQuic();
  fixture.quicFallsSilent();
  (await fixture.grpc.pending()).answer(fixture.welcomes);
  const connected = await fixture.supervision.until("connected");
  assert.equal(connected.choice, QUIC_LOST);
  const daemon = await fixture.newest();
  await fixture.finish(daemon, requestId);
  assert.deepEqual(
    fixture.supervision.statuses.map(({ state }) => state),
    ["connecting", "connected", "connecting", "connected", "stopping", "stopping"],
  );
});

Deno.test("ConnectionSupervisor moves to QUIC when it heals: one session after the other, and running work goes on", async () => {
  const fixture = new Fixture();
  const { requestId } = await fixture.runOverQuic();
  fixture.quicFallsSilent();
  (await fixture.grpc.pending()).answer(fixture.welcomes);
  await fixture.supervision.until("connected");
  const overGrpc = await fixture.newest();
  await overGrpc.take("accepted");

  (await fixture.quic.pending()).answer(new PalyraError("daemon_unreachable", "no"));
  const probe = await fixture.quic.pending();
  // The daemon has no session to choose between: the old one ends before the new one says Hello.
  const order: string[] = [];
  void overGrpc.session.closed.then(() => order.push("old session ended"));
  probe.answer((daemon) => {
    fixture.daemons.push(daemon);
  });
  assert.equal((await overGrpc.session.closed).by, "peer");
  const overQuic = fixture.daemons[2];
  assert.ok(overQuic);
  const hello = await overQuic.take("hello");
  order.push("new Hello");
  assert.deepEqual(order, ["old session ended", "new Hello"]);
  assert.deepEqual(hello.inFlight.map((attempt) => attempt.requestId?.ulid), [requestId]);
  overQuic.welcome({ epoch: 3 });
  const connected = await fixture.supervision.until("connected");
  assert.equal(connected.choice, QUIC_HEALED);
  assert.equal(connected.epoch, 3);
  assert.equal(connected.lastFailure, undefined);
  await fixture.finish(overQuic, requestId);
  assert.deepEqual([fixture.quic.dials, fixture.grpc.dials], [3, 1]);
});

Deno.test("ConnectionSupervisor returns to gRPC at once when the session it moved to is never welcomed", async () => {
  const fixture = new Fixture();
  const { requestId } = await fixture.runOverQuic();
  fixture.quicFallsSilent();
  (await fixture.grpc.pending()).answer(fixture.welcomes);
  await fixture.supervision.until("connected");
  (await fixture.quic.pending()).answer(fixture.opens);
  await fixture.supervision.until("connecting");
  await fixture.newest();
  fixture.quic.sessions.at(-1)?.abort("deadline_exceeded", "The daemon did not welcome this node.");
  (await fixture.grpc.pending()).answer(fixture.welcomes);
  assert.equal((await fixture.supervision.until("connected")).choice, QUIC_LOST);
  await fixture.finish(await fixture.newest(), requestId);
});

Deno.test("ConnectionSupervisor gives up looking for QUIC when the session over gRPC ends or the host stops", async () => {
  for (const stops of [true, false]) {
    const fixture = new Fixture();
    const { quic, grpc, supervision } = fixture;
    // deno-lint-ignore no-await-in-loop -- one host after the other
    (await quic.pending()).answer(new PalyraError("connection_limit", "no"));
    // deno-lint-ignore no-await-in-loop -- one host after the other
    (await grpc.pending()).answer(fixture.welcomes);
    // deno-lint-ignore no-await-in-loop -- one host after the other
    const { signal } = await quic.pending();
    if (stops) supervision.stop.abort();
    else fixture.daemons[0]?.session.close("shutting_down", "The daemon is stopping.");
    // deno-lint-ignore no-await-in-loop -- one host after the other
    await supervision.until(stops ? "stopping" : "waiting");
    assert.equal(signal.aborted, true);
    supervision.stop.abort();
    // deno-lint-ignore no-await-in-loop -- one host after the other
    await supervision.running;
    assert.equal(quic.dials, 2);
  }
});

/** Hands out what the test gives it, and says when it was asked to look for something better. */
class HandedDialer implements NodeDialer {
  readonly asked = Promise.withResolvers<AbortSignal>();
  readonly better = Promise.withResolvers<DialledSession | undefined>();
  readonly dialled: DialledSession[];

  constructor(...dialled: DialledSession[]) {
    this.dialled = dialled;
  }

  dial(): Promise<DialledSession> {
    const next = this.dialled.shift();
    return next === undefined ? Promise.reject(new PalyraError("daemon_unreachable", "no")) : Promise.resolve(next);
  }

  improve(_standing: DialledSession, signal: AbortSignal): Promise<DialledSession | undefined> {
    this.asked.resolve(signal);
    return this.better.promise;
  }

  noteEnd(): boolean {
    return false;
  }
}

Deno.test("ConnectionSupervisor closes a better session that comes with the daemon's final word or with the stop", async () => {
  const endings: readonly ((daemon: ReturnType<typeof sessionPair>["daemon"], stop: AbortController) => void)[] = [
    (daemon) => daemon.close("device_revoked", "no"),
    (_daemon, stop) => stop.abort(),
  ];
  for (const end of endings) {
    const [standing, better] = [sessionPair(), sessionPair("quic")];
    const dialer = new HandedDialer({ session: standing.node, choice: QUIC_LOST });
    const supervision = superviseTargets([{ endpoint: "daemon:7444", dialer }], { graceMs: 1 });
    new ScriptedDaemon(standing.daemon).welcome();
    // deno-lint-ignore no-await-in-loop -- one host after the other
    const signal = await dialer.asked.promise;
    signal.addEventListener("abort", () => dialer.better.resolve({ session: better.node, choice: QUIC_HEALED }));
    end(standing.daemon, supervision.stop);
    // deno-lint-ignore no-await-in-loop -- one host after the other
    await supervision.running.catch(() => {});
    // deno-lint-ignore no-await-in-loop -- one host after the other
    assert.deepEqual(await better.node.closed.then(({ by, code }) => [by, code]), ["local", "cancelled"]);
  }
});

Deno.test("ConnectionSupervisor uses a better session also when the one that stood has just ended by itself", async () => {
  const [standing, better] = [sessionPair(), sessionPair("quic")];
  const dialer = new HandedDialer({ session: standing.node, choice: QUIC_LOST });
  const backoff = new ReconnectBackoff(ENDLESS_PAUSE);
  const supervision = superviseTargets([{ endpoint: "daemon:7444", dialer }], { backoff });
  new ScriptedDaemon(standing.daemon).welcome();
  const signal = await dialer.asked.promise;
  signal.addEventListener("abort", () => dialer.better.resolve({ session: better.node, choice: QUIC_HEALED }));
  standing.daemon.abort("connection_lost", "cut");
  assert.equal((await supervision.until("connected")).choice, QUIC_LOST);
  new ScriptedDaemon(better.daemon).welcome();
  assert.equal((await supervision.until("connected")).choice, QUIC_HEALED);
  supervision.stop.abort();
  await supervision.running;
});

Deno.test("ConnectionSupervisor watches a session as closely as its dialer asks for", async () => {
  const { node } = sessionPair("quic");
  const pace = { welcomeTimeoutMs: 1 };
  const dialer = new HandedDialer({ session: node, choice: QUIC_PREFERRED, pace });
  const supervision = superviseTargets([{ endpoint: "daemon:7444", dialer }], {
    backoff: new ReconnectBackoff(ENDLESS_PAUSE),
  });
  assert.deepEqual((await supervision.until("waiting")).lastFailure, {
    code: "deadline_exceeded",
    message: "The daemon did not welcome this node within 1 ms.",
  });
  supervision.stop.abort();
  await supervision.running;
});
