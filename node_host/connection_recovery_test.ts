import assert from "node:assert/strict";
import { PalyraError } from "../identity/palyra_error.ts";
import type { ReasonCode } from "../identity/reason_code.ts";
import { MAX_UNANSWERED_RECOVERIES } from "./connection_supervisor.ts";
import type { DialAnswer } from "./testing/scripted_dialer.ts";
import { supervise } from "./testing/supervision.ts";

const failure = (code: ReasonCode) => new PalyraError(code, `It is ${code}.`);
const isCode = (code: ReasonCode) => (thrown: unknown) => thrown instanceof PalyraError && thrown.code === code;
const welcoming: DialAnswer = (daemon) => daemon.welcome();

/** Answers each recovery in turn; the later ones succeed. */
function recoveries(...answers: readonly (PalyraError | undefined)[]) {
  const occasions: ReasonCode[] = [];
  const recover = (occasion: PalyraError) => {
    const answer = answers[occasions.push(occasion.code) - 1];
    return answer === undefined ? Promise.resolve() : Promise.reject(answer);
  };
  return { occasions, recover };
}

Deno.test("ConnectionSupervisor recovers when the daemon will not have the certificate, and connects", async () => {
  const codes: ReasonCode[] = [
    "certificate_expired",
    "certificate_superseded",
    "certificate_untrusted",
    "certificate_revoked",
    "daemon_untrusted",
    "device_unknown",
  ];
  for (const code of codes) {
    const { occasions, recover } = recoveries();
    const fixture = supervise([[failure(code), welcoming]], { recover });
    // deno-lint-ignore no-await-in-loop -- one host after the other
    await fixture.until("connected");
    assert.deepEqual(occasions, [code]);
    assert.deepEqual(fixture.statuses.map(({ state }) => state), [
      "connecting",
      "recovering",
      "waiting",
      "connecting",
      "connected",
    ]);
    assert.equal(fixture.statuses.find(({ state }) => state === "recovering")?.lastFailure?.code, code);
    fixture.stop.abort();
    // deno-lint-ignore no-await-in-loop -- one host after the other
    await fixture.running;
  }
});

Deno.test("ConnectionSupervisor recovers from a session that the daemon ends because of its certificate", async () => {
  const { occasions, recover } = recoveries();
  const fixture = supervise([[
    (daemon) => {
      daemon.welcome();
      daemon.session.close("certificate_revoked", "No more.");
    },
    welcoming,
  ]], { recover });
  await fixture.until("connected");
  await fixture.until("connected");
  assert.deepEqual(occasions, ["certificate_revoked"]);
  fixture.stop.abort();
  await fixture.running;
});

Deno.test("ConnectionSupervisor does not recover when the daemon cannot be reached or says nothing about certificates", async () => {
  const { occasions, recover } = recoveries();
  const fixture = supervise([[failure("daemon_unreachable"), failure("connection_lost"), welcoming]], { recover });
  await fixture.until("connected");
  assert.deepEqual(occasions, []);
  fixture.stop.abort();
  await fixture.running;
});

Deno.test("ConnectionSupervisor goes on dialling and recovering when a recovery fails, and tells of both failures", async () => {
  const { occasions, recover } = recoveries(failure("daemon_unreachable"), failure("rate_limited"));
  const expired = failure("certificate_expired");
  const fixture = supervise([[expired, expired, expired, welcoming]], { recover });
  const first = await fixture.until("waiting");
  assert.equal(first.lastFailure?.code, "certificate_expired");
  assert.match(first.lastFailure.message, /It is certificate_expired\. .*It is daemon_unreachable\./);
  assert.match((await fixture.until("waiting")).lastFailure?.message ?? "", /It is rate_limited\./);
  await fixture.until("connected");
  assert.equal(occasions.length, 3);
  fixture.stop.abort();
  await fixture.running;
});

Deno.test("ConnectionSupervisor ends with the daemon's final word about a recovery", async () => {
  for (const code of ["recovery_forbidden", "device_revoked", "device_unknown"] as const) {
    const { recover } = recoveries(failure(code));
    const fixture = supervise([[failure("certificate_expired")]], { recover });
    // deno-lint-ignore no-await-in-loop -- one host after the other
    await assert.rejects(fixture.running, isCode(code));
    const last = fixture.statuses.at(-1);
    assert.deepEqual([last?.state, last?.lastFailure?.code], ["stopping", code]);
  }
});

Deno.test("ConnectionSupervisor ends with what is final when no recovery can be had, and goes on when one may be later", async () => {
  const times = <Value>(value: Value) => Array<Value>(MAX_UNANSWERED_RECOVERIES).fill(value);
  const unknown = times(failure("device_unknown"));
  const unreachable = recoveries(...times(failure("daemon_unreachable")));
  const fixture = supervise([[...unknown]], { recover: unreachable.recover });
  await assert.rejects(fixture.running, isCode("device_unknown"));
  assert.equal(unreachable.occasions.length, MAX_UNANSWERED_RECOVERIES);
  const starting = recoveries(...times(failure("daemon_unreachable")).slice(1));
  const early = supervise([[...unknown, welcoming]], { recover: starting.recover });
  await early.until("connected");
  early.stop.abort();
  await early.running;
  const later = recoveries(failure("rate_limited"));
  const patient = supervise([[failure("device_unknown"), failure("device_unknown"), welcoming]], {
    recover: later.recover,
  });
  await patient.until("connected");
  assert.equal(later.occasions.length, 2);
  patient.stop.abort();
  await patient.running;
});

Deno.test("ConnectionSupervisor tries every endpoint before it recovers, and does not when one of them worked", async () => {
  const { occasions, recover } = recoveries();
  const fixture = supervise([
    [failure("daemon_untrusted")],
    [(daemon) => {
      daemon.welcome();
      daemon.session.close("shutting_down", "restart");
    }, welcoming],
  ], { recover });
  await fixture.until("connected");
  await fixture.until("connected");
  assert.deepEqual(occasions, []);
  fixture.stop.abort();
  await fixture.running;
  const both = supervise([[failure("daemon_unreachable"), welcoming], [failure("certificate_expired")]], { recover });
  await both.until("connected");
  assert.deepEqual(occasions, ["certificate_expired"]);
  both.stop.abort();
  await both.running;
});

Deno.test("ConnectionSupervisor stops at once while it recovers", async () => {
  const fixture = supervise([[failure("certificate_expired")]], {
    recover: (_, signal) =>
      new Promise((_, reject) => signal.addEventListener("abort", () => reject(failure("cancelled")), { once: true })),
  });
  await fixture.until("recovering");
  fixture.stop.abort();
  await fixture.running;
  assert.equal(fixture.statuses.at(-1)?.state, "stopping");
});

Deno.test("ConnectionSupervisor passes on that the daemon asks for a renewal", async () => {
  const asked = Promise.withResolvers<string>();
  const fixture = supervise([[(daemon) => {
    daemon.welcome();
    daemon.session.send({
      v: 1,
      eventId: undefined,
      accepted: false,
      reason: "",
      message: { $case: "renewCertificate", value: { reason: "The owner asked." } },
    });
  }]], { onRenewalAsked: asked.resolve });
  assert.equal(await asked.promise, "The owner asked.");
  fixture.stop.abort();
  await fixture.running;
});
