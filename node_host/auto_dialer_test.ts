import assert from "node:assert/strict";
import { PalyraError } from "../identity/palyra_error.ts";
import type { ReasonCode } from "../identity/reason_code.ts";
import { ReconnectBackoff } from "../transport/program/reconnect_backoff.ts";
import type { SessionEnd } from "../transport/session.ts";
import { AutoDialer, type AutoDialerOptions } from "./auto_dialer.ts";
import { type DialAnswer, ScriptedDialer } from "./testing/scripted_dialer.ts";
import { QUIC_HEALED, QUIC_LOST, QUIC_PREFERRED } from "./transport_choice.ts";

const HOUR_MS = 3_600_000;
const never = new AbortController().signal;
const opens = () => {};
const error = (code: ReasonCode) => new PalyraError(code, `${code}.`);

const SILENCE: SessionEnd = { by: "local", code: "keep_alive_missed", message: "The daemon has gone silent." };

interface Fixture {
  readonly quic: ScriptedDialer;
  readonly grpc: ScriptedDialer;
  readonly dialer: AutoDialer;
}

/** Head starts are over at once or never, so that no test waits for one. */
function choose(
  answers: { readonly quic?: DialAnswer[]; readonly grpc?: DialAnswer[] },
  changes: Partial<AutoDialerOptions> = {},
): Fixture {
  const quic = new ScriptedDialer("quic", ...answers.quic ?? []);
  const grpc = new ScriptedDialer("grpc", ...answers.grpc ?? []);
  const probeBackoff = new ReconnectBackoff({ baseMs: 1, maxMs: 1 });
  const dialer = new AutoDialer({
    quic,
    grpc,
    quicHeadStartMs: HOUR_MS,
    grpcHeadStartMs: HOUR_MS,
    probeBackoff,
    ...changes,
  });
  return { quic, grpc, dialer };
}

Deno.test("AutoDialer takes QUIC where it answers, and has it watched closely", async () => {
  const { dialer, quic, grpc } = choose({ quic: [opens] });
  const { session, choice, pace } = await dialer.dial(never);
  assert.equal(session, quic.sessions[0]);
  assert.equal(choice, QUIC_PREFERRED);
  assert.deepEqual(pace, { heartbeatIntervalMs: 1_000, silenceLimitMs: 3_000 });
  assert.equal(grpc.dials, 0);
});

Deno.test("AutoDialer takes gRPC where QUIC does not answer or fails, and says which", async () => {
  const silent = choose({ grpc: [opens] }, { quicHeadStartMs: 1 });
  const slow = await silent.dialer.dial(never);
  assert.equal(slow.session, silent.grpc.sessions[0]);
  assert.equal(slow.choice.reason, "quic_slow");
  assert.equal(slow.choice.explanation, "QUIC did not answer within 0.001 s; UDP may be blocked");
  assert.equal(slow.pace, undefined);

  const failing = choose({ quic: [error("connection_limit")], grpc: [opens] });
  const failed = await failing.dialer.dial(never);
  assert.equal(failed.session, failing.grpc.sessions[0]);
  assert.equal(failed.choice.reason, "quic_failed");
  assert.equal(failed.choice.explanation, "QUIC failed: connection_limit");
});

Deno.test("AutoDialer rejects with the failure that says most", async () => {
  const cases: readonly [quic: ReasonCode, grpc: ReasonCode, told: ReasonCode][] = [
    ["deadline_exceeded", "daemon_unreachable", "daemon_unreachable"],
    ["internal", "daemon_unreachable", "daemon_unreachable"],
    ["daemon_untrusted", "daemon_unreachable", "daemon_untrusted"],
    ["daemon_unreachable", "certificate_untrusted", "certificate_untrusted"],
    ["daemon_untrusted", "device_unknown", "device_unknown"],
  ];
  for (const [quic, grpc, told] of cases) {
    const { dialer } = choose({ quic: [error(quic)], grpc: [error(grpc)] });
    // deno-lint-ignore no-await-in-loop -- one dial after the other
    await assert.rejects(dialer.dial(never), ({ code }: PalyraError) => code === told);
  }
});

Deno.test("AutoDialer does not wait for a QUIC that is silent when gRPC is refused", async () => {
  const { dialer, quic } = choose({ grpc: [error("daemon_unreachable")] }, { quicHeadStartMs: 1, quicPatienceMs: 1 });
  const dialled = dialer.dial(never);
  const { signal } = await quic.pending();
  await assert.rejects(dialled, ({ code }: PalyraError) => code === "daemon_unreachable");
  assert.equal(signal.aborted, true);
});

Deno.test("AutoDialer does not ask gRPC for another answer when the daemon has revoked the device", async () => {
  const { dialer, grpc } = choose({ quic: [error("device_revoked")], grpc: [opens] });
  await assert.rejects(dialer.dial(never), ({ code }: PalyraError) => code === "device_revoked");
  assert.equal(grpc.dials, 0);
});

Deno.test("AutoDialer rejects with `cancelled` when its signal aborts", async () => {
  const stop = new AbortController();
  const { dialer, quic } = choose({});
  const dialled = dialer.dial(stop.signal);
  await quic.pending();
  stop.abort();
  await assert.rejects(dialled, ({ code }: PalyraError) => code === "cancelled");
});

Deno.test("AutoDialer goes to gRPC first, at once, when a session over QUIC fell silent", async () => {
  const silences: readonly SessionEnd[] = [
    SILENCE,
    { by: "network", code: "idle_timeout", message: "" },
    { by: "local", code: "deadline_exceeded", message: "It was never welcomed." },
  ];
  for (const end of silences) {
    const { dialer, quic, grpc } = choose({ quic: [opens], grpc: [opens] });
    // deno-lint-ignore no-await-in-loop -- one dial after the other
    assert.equal(dialer.noteEnd(await dialer.dial(never), end, 10_000), true);
    // deno-lint-ignore no-await-in-loop -- one dial after the other
    const next = await dialer.dial(never);
    assert.equal(next.session, grpc.sessions[0]);
    assert.equal(next.choice, QUIC_LOST);
    assert.equal(quic.dials, 1);
  }
});

Deno.test("AutoDialer goes to gRPC first, without hurry, when a session over QUIC broke", async () => {
  const { dialer, quic } = choose({ quic: [opens], grpc: [opens] });
  const broken: SessionEnd = { by: "network", code: "connection_lost", message: "" };
  assert.equal(dialer.noteEnd(await dialer.dial(never), broken, 10_000), false);
  assert.equal((await dialer.dial(never)).choice, QUIC_LOST);
  assert.equal(quic.dials, 1);
});

Deno.test("AutoDialer still prefers QUIC after a session that either side has ended", async () => {
  const ends: readonly SessionEnd[] = [
    { by: "peer", code: "shutting_down", message: "" },
    { by: "peer", code: "keep_alive_missed", message: "" },
    { by: "local", code: "session_replaced", message: "" },
    { by: "local", code: "protocol_mismatch", message: "" },
  ];
  const { dialer, grpc } = choose({ quic: [opens, ...ends.map(() => opens)] });
  for (const end of ends) {
    // deno-lint-ignore no-await-in-loop -- one session after the other
    assert.equal(dialer.noteEnd(await dialer.dial(never), end, 10_000), false);
  }
  assert.equal((await dialer.dial(never)).choice, QUIC_PREFERRED);
  assert.equal(grpc.dials, 0);
});

Deno.test("AutoDialer blames not UDP but the daemon when gRPC fails as well", async () => {
  const { dialer, grpc } = choose({
    quic: [opens, error("daemon_unreachable"), opens],
    grpc: [error("daemon_unreachable")],
  });
  dialer.noteEnd(await dialer.dial(never), SILENCE, 10_000);
  await assert.rejects(dialer.dial(never), ({ code }: PalyraError) => code === "daemon_unreachable");
  assert.equal((await dialer.dial(never)).choice, QUIC_PREFERRED);
  assert.equal(grpc.dials, 1);
});

Deno.test("AutoDialer takes QUIC after all where it was lost and gRPC does not answer", async () => {
  const { dialer, grpc } = choose({ quic: [opens, opens, opens] }, { grpcHeadStartMs: 1 });
  dialer.noteEnd(await dialer.dial(never), SILENCE, 10_000);
  const healed = await dialer.dial(never);
  assert.equal(healed.choice, QUIC_HEALED);
  assert.deepEqual(healed.pace, { heartbeatIntervalMs: 1_000, silenceLimitMs: 3_000 });
  assert.equal((await grpc.pending()).signal.aborted, true);
  assert.equal((await dialer.dial(never)).choice, QUIC_PREFERRED);
});

Deno.test("AutoDialer.improve() finds the way back to QUIC beside a session over gRPC", async () => {
  const { dialer, quic, grpc } = choose({
    quic: [opens, error("daemon_unreachable"), opens, opens],
    grpc: [opens],
  });
  dialer.noteEnd(await dialer.dial(never), SILENCE, 10_000);
  const standing = await dialer.dial(never);
  const better = await dialer.improve(standing, never);
  assert.equal(better?.session, quic.sessions[1]);
  assert.equal(better?.choice, QUIC_HEALED);
  assert.deepEqual(better?.pace, { heartbeatIntervalMs: 1_000, silenceLimitMs: 3_000, welcomeTimeoutMs: 3_000 });
  assert.equal((await dialer.dial(never)).choice, QUIC_PREFERRED);
  assert.equal(grpc.dials, 1);
});

Deno.test("AutoDialer.improve() has nothing better than QUIC", async () => {
  const { dialer, quic } = choose({ quic: [opens, opens] });
  assert.equal(await dialer.improve(await dialer.dial(never), never), undefined);
  assert.equal(quic.dials, 1);
});

Deno.test("AutoDialer tries QUIC less and less often while its sessions do not last", async () => {
  const probeBackoff = new ReconnectBackoff({ baseMs: 2, maxMs: 1_000, steadyMs: 60_000, random: () => 0.5 });
  const { dialer } = choose({ quic: Array.from({ length: 9 }, () => opens), grpc: [opens, opens, opens] }, {
    probeBackoff,
  });
  const silentAfter = async (lastedMs: number) => {
    const standing = await dialer.dial(never);
    const better = await dialer.improve(standing, never);
    assert.ok(better);
    dialer.noteEnd(better, SILENCE, lastedMs);
  };
  dialer.noteEnd(await dialer.dial(never), SILENCE, 10_000);
  await silentAfter(10_000);
  await silentAfter(59_999);
  assert.equal(probeBackoff.nextDelayMs(), 4);
  await silentAfter(60_000);
  assert.equal(probeBackoff.nextDelayMs(), 1);
});

Deno.test("AutoDialer gives QUIC its chance when a session over gRPC was lost, too: the network may be another one", async () => {
  const losses: readonly SessionEnd[] = [SILENCE, { by: "network", code: "connection_lost", message: "" }];
  for (const end of losses) {
    const probeBackoff = new ReconnectBackoff({ baseMs: 2, maxMs: 1_000, random: () => 0.5 });
    const { dialer } = choose({ quic: [opens, opens], grpc: [opens] }, { probeBackoff });
    // deno-lint-ignore no-await-in-loop -- one dial after the other
    dialer.noteEnd(await dialer.dial(never), SILENCE, 10_000);
    probeBackoff.nextDelayMs();
    // deno-lint-ignore no-await-in-loop -- one dial after the other
    assert.equal(dialer.noteEnd(await dialer.dial(never), end, 10_000), false);
    // deno-lint-ignore no-await-in-loop -- one dial after the other
    assert.equal((await dialer.dial(never)).choice, QUIC_PREFERRED);
    assert.equal(probeBackoff.nextDelayMs(), 1);
  }
});
