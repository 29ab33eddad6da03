import assert from "node:assert/strict";
import { CertificateAuthority } from "../identity/certificate_authority.ts";
import { parseEndpoint } from "../identity/endpoint.ts";
import { PalyraError } from "../identity/palyra_error.ts";
import { systemClock } from "../identity/unix_ms.ts";
import { GrpcDialer } from "../transport/grpc/grpc_dialer.ts";
import type { SessionDialer } from "../transport/session.ts";
import { raceDials } from "./dial_race.ts";
import { nodeEvent } from "./node_message.ts";
import { NodeHostState } from "./node_host_state.ts";
import { NodeListener } from "./testing/node_listener.ts";
import { pairState } from "./testing/paired_state.ts";
import { ScriptedDialer } from "./testing/scripted_dialer.ts";
import { TestFolder } from "./testing/test_folder.ts";

const HOUR_MS = 3_600_000;
const never = new AbortController().signal;
const opens = () => {};

/** Patience is only asked for where a test is about it. */
const race = (favourite: ScriptedDialer, other: ScriptedDialer, headStartMs: number, signal = never) =>
  raceDials({ dialer: favourite }, { dialer: other }, headStartMs, signal);

const refused = new PalyraError("connection_limit", "There is no room.");

Deno.test("raceDials() takes the favourite and never dials the other when the favourite is there within its head start", async () => {
  const [quic, grpc] = [new ScriptedDialer("quic", opens), new ScriptedDialer("grpc", opens)];
  const { session, failures } = await race(quic, grpc, HOUR_MS);
  assert.equal(session, quic.sessions[0]);
  assert.equal(failures.size, 0);
  assert.equal(grpc.dials, 0);
});

Deno.test("raceDials() dials the other when the head start is over, and aborts the favourite when it loses", async () => {
  const [quic, grpc] = [new ScriptedDialer("quic"), new ScriptedDialer("grpc", opens)];
  const racing = race(quic, grpc, 1);
  const { signal } = await quic.pending();
  const { session, failures } = await racing;
  assert.equal(session, grpc.sessions[0]);
  assert.equal(failures.size, 0);
  assert.equal(signal.aborted, true);
});

Deno.test("raceDials() takes the favourite that is late and still first, and aborts the other", async () => {
  const [quic, grpc] = [new ScriptedDialer("quic"), new ScriptedDialer("grpc")];
  const racing = race(quic, grpc, 1);
  const [favourite, other] = [await quic.pending(), await grpc.pending()];
  favourite.answer(opens);
  assert.equal((await racing).session, quic.sessions[0]);
  assert.equal(other.signal.aborted, true);
});

Deno.test("raceDials() closes a session that comes after the race was decided", async () => {
  const [quic, grpc] = [new ScriptedDialer("quic"), new ScriptedDialer("grpc")];
  const racing = race(quic, grpc, 1);
  const [favourite, other] = [await quic.pending(), await grpc.pending()];
  favourite.answer(opens);
  other.answer(opens);
  assert.equal((await racing).session, quic.sessions[0]);
  assert.deepEqual(await grpc.sessions[0]?.closed.then(({ by, code }) => [by, code]), ["local", "cancelled"]);
});

Deno.test("raceDials() dials the other at once when the favourite fails, and says why it did", async () => {
  const [quic, grpc] = [new ScriptedDialer("quic", refused), new ScriptedDialer("grpc", opens)];
  const { session, failures } = await race(quic, grpc, HOUR_MS);
  assert.equal(session, grpc.sessions[0]);
  assert.deepEqual([...failures], [["quic", refused]]);
});

Deno.test("raceDials() says why both failed", async () => {
  const unreachable = new PalyraError("daemon_unreachable", "Nothing listens there.");
  const [quic, grpc] = [new ScriptedDialer("quic", refused), new ScriptedDialer("grpc", unreachable)];
  const { session, failures } = await race(quic, grpc, HOUR_MS);
  assert.equal(session, undefined);
  assert.deepEqual([...failures], [["quic", refused], ["grpc", unreachable]]);
});

Deno.test("raceDials() gives up a dial without much patience once the other one has failed", async () => {
  const unreachable = new PalyraError("daemon_unreachable", "Nothing listens there.");
  const [quic, grpc] = [new ScriptedDialer("quic"), new ScriptedDialer("grpc", unreachable)];
  const racing = raceDials({ dialer: quic, patienceMs: 1 }, { dialer: grpc }, 1, never);
  const { signal } = await quic.pending();
  const { session, failures } = await racing;
  assert.deepEqual([session, [...failures]], [undefined, [["grpc", unreachable]]]);
  assert.equal(signal.aborted, true);
});

Deno.test("raceDials() has all patience with the other dial where none was asked for", async () => {
  const [quic, grpc] = [new ScriptedDialer("quic", refused), new ScriptedDialer("grpc")];
  const racing = raceDials({ dialer: quic, patienceMs: 1 }, { dialer: grpc }, HOUR_MS, never);
  const { answer, signal } = await grpc.pending();
  // A timer of the same length that was set before this one has fired by then.
  await new Promise((resolve) => setTimeout(resolve, 1));
  assert.equal(signal.aborted, false);
  answer(opens);
  assert.equal((await racing).session, grpc.sessions[0]);
});

Deno.test("raceDials() takes a final refusal as the daemon's answer, from either side", async () => {
  for (const code of ["device_revoked", "certificate_revoked", "device_unknown"] as const) {
    const refusal = new PalyraError(code, "no");
    const [quic, grpc] = [new ScriptedDialer("quic", refusal), new ScriptedDialer("grpc", opens)];
    // deno-lint-ignore no-await-in-loop -- one race after the other
    const byFavourite = await race(quic, grpc, HOUR_MS);
    assert.deepEqual([byFavourite.session, [...byFavourite.failures]], [undefined, [["quic", refusal]]]);
    assert.equal(grpc.dials, 0);

    const silent = new ScriptedDialer("quic");
    // deno-lint-ignore no-await-in-loop -- one race after the other
    const byOther = await race(silent, new ScriptedDialer("grpc", refusal), 1);
    assert.deepEqual([byOther.session, [...byOther.failures]], [undefined, [["grpc", refusal]]]);
    // deno-lint-ignore no-await-in-loop -- one race after the other
    assert.equal((await silent.pending()).signal.aborted, true);
  }
});

Deno.test("raceDials() gives up with its signal, and begins nothing more", async () => {
  const stop = new AbortController();
  const [quic, grpc] = [new ScriptedDialer("quic"), new ScriptedDialer("grpc", opens)];
  const racing = race(quic, grpc, HOUR_MS, stop.signal);
  const { signal } = await quic.pending();
  stop.abort();
  assert.equal(signal.aborted, true);
  const { session, failures } = await racing;
  assert.deepEqual([session, failures.size], [undefined, 0]);
  assert.equal(grpc.dials, 0);
  assert.equal((await race(quic, grpc, HOUR_MS, stop.signal)).session, undefined);
  assert.deepEqual([quic.dials, grpc.dials], [1, 0]);
});

Deno.test("raceDials() leaves the daemon one session of two, over real connections too", async () => {
  await using folder = await TestFolder.create();
  using state = await NodeHostState.open(folder.path);
  const ca = await CertificateAuthority.create({ clock: systemClock });
  const { record } = await pairState(state, ca, HOUR_MS);
  const credentials = await state.credentials();
  await using listener = await NodeListener.start(ca);
  const grpc = new GrpcDialer({
    endpoint: parseEndpoint(listener.endpoint),
    material: () => credentials.tlsMaterial(),
  });
  // Does not hear that it has lost, and obtains its session only then.
  const decided = Promise.withResolvers<void>();
  const late: SessionDialer = { transport: "quic", dial: () => decided.promise.then(() => grpc.dial(never)) };

  const { session } = await raceDials({ dialer: late }, { dialer: grpc }, 1, never);
  assert.ok(session);
  const winner = await listener.nextSession();
  decided.resolve();
  const loser = await listener.nextSession();
  assert.notEqual((await loser.session.closed).by, "local");
  session.send(nodeEvent(record.deviceId, { $case: "draining", value: {} }));
  await winner.take("draining");
  assert.deepEqual(loser.untaken, []);
  session.close("shutting_down", "");
  await session.closed;
});
