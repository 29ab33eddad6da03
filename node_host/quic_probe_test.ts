import assert from "node:assert/strict";
import { PalyraError } from "../identity/palyra_error.ts";
import { ReconnectBackoff } from "../transport/program/reconnect_backoff.ts";
import { probeBackoff, QuicProbe } from "./quic_probe.ts";
import { ScriptedDialer } from "./testing/scripted_dialer.ts";

const HOUR_MS = 3_600_000;
const never = new AbortController().signal;
const opens = () => {};

Deno.test("QuicProbe tries again until QUIC answers, whatever went wrong before", async () => {
  const dialer = new ScriptedDialer(
    "quic",
    new PalyraError("daemon_unreachable", "no"),
    new PalyraError("device_revoked", "no"),
    opens,
  );
  const probe = new QuicProbe(dialer, new ReconnectBackoff({ baseMs: 1, maxMs: 1 }));
  assert.equal(await probe.untilAnswered(never), dialer.sessions[0]);
  assert.equal(dialer.dials, 3);
});

Deno.test("QuicProbe gives up with its signal, while it waits as while it dials", async () => {
  const [waiting, dialling] = [new AbortController(), new AbortController()];
  const dialer = new ScriptedDialer("quic");
  const patient = new QuicProbe(dialer, new ReconnectBackoff({ baseMs: HOUR_MS, maxMs: HOUR_MS, random: () => 0.99 }));
  const waited = patient.untilAnswered(waiting.signal);
  waiting.abort();
  assert.equal(await waited, undefined);
  assert.equal(dialer.dials, 0);

  const quick = new QuicProbe(dialer, new ReconnectBackoff({ baseMs: 1, maxMs: 1 }));
  const dialled = quick.untilAnswered(dialling.signal);
  await dialer.pending();
  dialling.abort();
  assert.equal(await dialled, undefined);
});

Deno.test("QuicProbe closes a session that comes when nobody wants it any more", async () => {
  const stop = new AbortController();
  const dialer = new ScriptedDialer("quic");
  const probe = new QuicProbe(dialer, new ReconnectBackoff({ baseMs: 1, maxMs: 1 }));
  const answered = probe.untilAnswered(stop.signal);
  const dial = await dialer.pending();
  dial.answer(opens);
  stop.abort();
  assert.equal(await answered, undefined);
  assert.equal((await dialer.sessions[0]?.closed)?.code, "cancelled");
});

Deno.test("probeBackoff() begins at about 5 s and grows to minutes; only a steady session brings it back", () => {
  const backoff = probeBackoff();
  const waits = Array.from({ length: 10 }, () => backoff.nextDelayMs());
  const near = (wait: number | undefined, most: number) => wait !== undefined && wait <= most && wait >= most * 0.8 - 1;
  const bounds = [5_000, 10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000, 300_000, 300_000];
  bounds.forEach((most, at) => assert.ok(near(waits[at], most), `${waits[at]} for ${most}`));
  backoff.sessionEnded(299_999);
  assert.ok(near(backoff.nextDelayMs(), 300_000));
  backoff.sessionEnded(300_000);
  assert.ok(near(backoff.nextDelayMs(), 5_000));
});
