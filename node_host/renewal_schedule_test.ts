import assert from "node:assert/strict";
import { CERTIFICATE_BACKDATE_MS } from "../identity/certificate_authority.ts";
import { fingerprintOf, parseFingerprint } from "../identity/fingerprint.ts";
import { type UnixMs, unixMs } from "../identity/unix_ms.ts";
import {
  MAX_RENEWAL_RETRY_MS,
  nextRenewalStep,
  RENEWAL_CHECK_INTERVAL_MS,
  type RenewalCircumstances,
  renewalDueAt,
  type RenewalStep,
} from "./renewal_schedule.ts";

const HOUR_MS = 3_600_000;
const ISSUED = 1_790_000_000_000;
const at = (ms: number): UnixMs => unixMs(ISSUED + ms);

const lifeOf = (lifeMs: number, fingerprint = "0".repeat(64)) => ({
  fingerprint: parseFingerprint(fingerprint),
  notBefore: at(-CERTIFICATE_BACKDATE_MS),
  notAfter: at(lifeMs),
});

Deno.test("renewalDueAt() is at 2/3 of the life, or up to 5 % of the life earlier", () => {
  assert.equal(renewalDueAt(lifeOf(24 * HOUR_MS)), at(16 * HOUR_MS));
  const earliest = renewalDueAt(lifeOf(24 * HOUR_MS, "f".repeat(64)));
  assert.ok(earliest > at(14.8 * HOUR_MS - 1) && earliest < at(14.8 * HOUR_MS + 1_000), String(earliest));
  const moments = Array.from({ length: 50 }, (_, seed) => {
    const fingerprint = fingerprintOf(Uint8Array.of(seed));
    return renewalDueAt(lifeOf(24 * HOUR_MS, fingerprint));
  });
  assert.ok(moments.every((moment) => moment >= earliest && moment <= at(16 * HOUR_MS)));
  assert.equal(new Set(moments).size, moments.length);
});

Deno.test("renewalDueAt() is not in the past for a certificate that lives shorter than it is backdated", () => {
  for (const lifeMs of [1_000, 60_000, CERTIFICATE_BACKDATE_MS]) {
    const dueAt = renewalDueAt(lifeOf(lifeMs));
    assert.ok(dueAt > at(0) && dueAt < at(lifeMs));
  }
  assert.equal(renewalDueAt({ ...lifeOf(0), notAfter: at(-CERTIFICATE_BACKDATE_MS) }), at(-CERTIFICATE_BACKDATE_MS));
});

const USUAL: RenewalCircumstances = {
  now: at(HOUR_MS),
  connected: true,
  renewsAt: at(16 * HOUR_MS),
  expiresAt: at(24 * HOUR_MS),
  obtainedAt: undefined,
  sessionExpiresAt: undefined,
  retryAt: undefined,
};

const wait = (ms: number): RenewalStep => ({ kind: "wait", ms });
const RENEW: RenewalStep = { kind: "renew" };
const RECONNECT: RenewalStep = { kind: "reconnect" };
const DUE: Partial<RenewalCircumstances> = { now: at(16 * HOUR_MS) };

const CASES: readonly [string, Partial<RenewalCircumstances>, RenewalStep][] = [
  ["long before", {}, wait(RENEWAL_CHECK_INTERVAL_MS)],
  ["just before", { now: at(16 * HOUR_MS - 7) }, wait(7)],
  ["due", DUE, RENEW],
  ["due while no session stands", { ...DUE, connected: false }, wait(RENEWAL_CHECK_INTERVAL_MS)],
  ["long overdue", { now: at(23 * HOUR_MS) }, RENEW],
  ["in the last millisecond", { now: at(24 * HOUR_MS) }, RENEW],
  ["expired", { now: at(24 * HOUR_MS + 1) }, wait(RENEWAL_CHECK_INTERVAL_MS)],
  ["after a failure", { ...DUE, retryAt: at(16 * HOUR_MS + 900) }, wait(900)],
  ["after a failure, when its wait is over", { ...DUE, retryAt: at(16 * HOUR_MS) }, RENEW],
  ["after the clock was put back", { ...DUE, retryAt: at(16 * HOUR_MS + MAX_RENEWAL_RETRY_MS + 1) }, RENEW],
  [
    "with a new certificate that is due at once",
    { now: at(20 * HOUR_MS), obtainedAt: at(20 * HOUR_MS) },
    wait(RENEWAL_CHECK_INTERVAL_MS),
  ],
  ["half of the rest later", { now: at(22 * HOUR_MS), obtainedAt: at(20 * HOUR_MS) }, RENEW],
  [
    "with a session of an earlier certificate",
    { sessionExpiresAt: at(HOUR_MS + 60_020) },
    wait(21),
  ],
  ["when that certificate has a minute left", { sessionExpiresAt: at(HOUR_MS + 59_999) }, RECONNECT],
  ["when that certificate has expired", { sessionExpiresAt: at(0) }, RECONNECT],
  ["when that session is gone", { sessionExpiresAt: at(0), connected: false }, wait(RENEWAL_CHECK_INTERVAL_MS)],
  ["asked for, long before it is due", { asked: true }, RENEW],
  ["asked for while no session stands", { asked: true, connected: false }, wait(RENEWAL_CHECK_INTERVAL_MS)],
  ["asked for, after a failure", { asked: true, retryAt: at(HOUR_MS + 900) }, wait(900)],
  ["when the daemon waits for the new one", { replaceSession: true, sessionExpiresAt: at(24 * HOUR_MS) }, RECONNECT],
  ["when the session has the new one already", { replaceSession: true }, wait(RENEWAL_CHECK_INTERVAL_MS)],
  [
    "when the newest has expired too",
    { now: at(25 * HOUR_MS), sessionExpiresAt: at(0) },
    wait(RENEWAL_CHECK_INTERVAL_MS),
  ],
];

for (const [when, changes, expected] of CASES) {
  Deno.test(`nextRenewalStep() says ${expected.kind} ${when}`, () => {
    assert.deepEqual(nextRenewalStep({ ...USUAL, ...changes }), expected);
  });
}
