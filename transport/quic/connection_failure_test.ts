import assert from "node:assert/strict";
import { describeClose, dialFailure, refusedHandshake, sessionEnd } from "./connection_failure.ts";
import type { QuicClose } from "./quic_close.ts";

function transportClose(by: QuicClose["by"], code: number, reason = ""): QuicClose {
  return { by, application: false, code, reason };
}

function applicationClose(by: QuicClose["by"], code: number, reason = ""): QuicClose {
  return { by, application: true, code, reason };
}

const UNREACHABLE = /^The daemon does not answer over QUIC\./;

Deno.test("dialFailure() names what each close means to a client", () => {
  const cases: readonly (readonly [QuicClose, string, RegExp])[] = [
    [transportClose("peer", 0x100 + 116), "certificate_missing", /^The daemon asks for a client certificate/],
    [transportClose("peer", 0x100 + 42), "certificate_untrusted", /^The daemon does not accept this machine's/],
    [transportClose("peer", 0x100 + 43), "certificate_untrusted", /^The daemon does not accept this machine's/],
    [transportClose("peer", 0x100 + 46), "certificate_untrusted", /^The daemon does not accept this machine's/],
    [transportClose("peer", 0x100 + 48), "certificate_untrusted", /^The daemon does not accept this machine's/],
    [transportClose("peer", 0x100 + 44), "certificate_revoked", /was revoked at the daemon/],
    [transportClose("peer", 0x100 + 45), "certificate_expired", /has expired/],
    [transportClose("peer", 0x100 + 120), "protocol_mismatch", /another protocol on QUIC/],
    [transportClose("peer", 0x100 + 44, "device_revoked"), "device_revoked", /^This device was revoked/],
    [transportClose("peer", 0x02, "rate_limited"), "rate_limited", /^Too many connections were begun/],
    [transportClose("peer", 0x02, "connection_limit"), "connection_limit", /as many connections as it takes/],
    [applicationClose("peer", 0x02, "shutting_down"), "shutting_down", /^The daemon is stopping/],
    [applicationClose("peer", 0x04, "connection_limit"), "connection_limit", /as many connections as it takes/],
    [applicationClose("peer", 0x03), "idle_timeout", /^Nothing came over the connection/],
    [transportClose("peer", 0x100 + 49, "not_an_operator"), "not_an_operator", /^The daemon refused the connection/],
    [transportClose("peer", 0x02), "daemon_unreachable", UNREACHABLE],
    [transportClose("peer", 0x02, "constructor"), "daemon_unreachable", UNREACHABLE],
    [transportClose("peer", 0x100 + 80), "daemon_unreachable", UNREACHABLE],
    [applicationClose("peer", 0x77, "go away"), "daemon_unreachable", UNREACHABLE],
    [transportClose("network", 0, "idle_timeout"), "daemon_unreachable", UNREACHABLE],
    [transportClose("local", 0x02, "handshake_timeout"), "handshake_timeout", /took too long/],
    [transportClose("local", 0x100 + 48), "daemon_untrusted", /not the daemon this machine was paired with/],
    [transportClose("local", 0x100 + 45), "daemon_untrusted", /^The daemon's certificate is not valid at this time/],
  ];
  for (const [close, code, sentence] of cases) {
    const failure = dialFailure(close, true);
    assert.equal(failure.code, code, describeClose(close));
    assert.match(failure.message, sentence);
    assert.equal(failure.cause, describeClose(close));
  }
});

Deno.test("dialFailure() believes no final word of a peer that has not shown yet that it is the daemon", () => {
  const forged: readonly QuicClose[] = [
    transportClose("peer", 0x02, "device_revoked"),
    transportClose("peer", 0x100 + 44),
    transportClose("peer", 0x100 + 116),
    transportClose("peer", 0x02, "device_unknown"),
    transportClose("peer", 0x100 + 48, "certificate_revoked"),
    applicationClose("peer", 0x03),
  ];
  for (const close of forged) {
    const failure = dialFailure(close, false);
    assert.equal(failure.code, "daemon_unreachable", describeClose(close));
    assert.match(failure.message, UNREACHABLE);
  }
  for (const reason of ["rate_limited", "connection_limit", "shutting_down"]) {
    assert.equal(dialFailure(transportClose("peer", 0x02, reason), false).code, reason);
  }
  assert.equal(dialFailure(transportClose("peer", 0x100 + 120), false).code, "protocol_mismatch");
  assert.equal(dialFailure(transportClose("local", 0x100 + 48), false).code, "daemon_untrusted");
  assert.equal(dialFailure(transportClose("local", 0x02, "handshake_timeout"), false).code, "handshake_timeout");
});

Deno.test("sessionEnd() tells who ended the session and why, and takes all else for a broken connection", () => {
  const cases: readonly (readonly [QuicClose, string, string])[] = [
    [transportClose("peer", 0x100 + 44, "certificate_revoked"), "peer", "certificate_revoked"],
    [applicationClose("peer", 0x02, "shutting_down"), "peer", "shutting_down"],
    [applicationClose("local", 0x02, "shutting_down"), "local", "shutting_down"],
    [transportClose("network", 0, "idle_timeout"), "network", "connection_lost"],
    [applicationClose("peer", 0x01), "network", "connection_lost"],
    [applicationClose("peer", 0x00), "network", "connection_lost"],
  ];
  for (const [close, by, code] of cases) {
    const end = sessionEnd(close, "client");
    assert.deepEqual([end.by, end.code, end.cause], [by, code, describeClose(close)]);
    assert.notEqual(end.message, "");
  }
});

Deno.test("sessionEnd() does not have a node say what its daemon has done", () => {
  for (const close of [applicationClose("peer", 0x02, "device_revoked"), transportClose("peer", 0x100 + 44)]) {
    const end = sessionEnd(close, "server");
    assert.deepEqual([end.by, end.code, end.cause], ["network", "connection_lost", describeClose(close)]);
  }
  assert.equal(sessionEnd(applicationClose("local", 0x02, "shutting_down"), "server").code, "shutting_down");
});

Deno.test("refusedHandshake() tells an operator why a peer was not let in", () => {
  const cases: readonly (readonly [QuicClose, string, RegExp])[] = [
    [transportClose("local", 0x100 + 116), "certificate_missing", /showed no client certificate/],
    [transportClose("local", 0x100 + 48), "certificate_untrusted", /^The peer's certificate is not a valid client/],
    [transportClose("local", 0x100 + 45), "certificate_expired", /^The peer's certificate is not a valid client/],
    [transportClose("peer", 0x100 + 48), "certificate_untrusted", /^The peer does not trust the daemon's/],
    [transportClose("local", 0x100 + 120), "protocol_mismatch", /no protocol of this daemon/],
    [transportClose("local", 0x02, "handshake_timeout"), "handshake_timeout", /not complete in time/],
    [transportClose("local", 0x02, "message_too_large"), "message_too_large", /more than a handshake needs/],
    [transportClose("local", 0x02, "rate_limited"), "rate_limited", /unfinished/],
    [transportClose("network", 0, "idle_timeout"), "connection_lost", /broke off/],
    [applicationClose("peer", 0x00), "connection_lost", /broke off/],
  ];
  for (const [close, code, sentence] of cases) {
    const refusal = refusedHandshake(close);
    assert.equal(refusal.code, code, describeClose(close));
    assert.match(refusal.message, sentence);
  }
});

Deno.test("refusedHandshake() does not take a peer's word for a limit of this side", () => {
  for (const reason of ["rate_limited", "handshake_timeout", "message_too_large", "device_revoked"]) {
    assert.equal(refusedHandshake(transportClose("peer", 0x02, reason)).code, "connection_lost");
  }
});

Deno.test("describeClose() writes codes as the standards do and makes the peer's words harmless", () => {
  assert.equal(describeClose(transportClose("peer", 0x100 + 44)), "QUIC connection closed by peer: TLS alert 44");
  assert.equal(describeClose(transportClose("local", 0x0a)), "QUIC connection closed by local: transport 0xa");
  assert.equal(
    describeClose(applicationClose("peer", 0x12c, "bye")),
    "QUIC connection closed by peer: application 0x12c (bye)",
  );
  const described = describeClose(applicationClose("peer", 1, `\x1b[31m${"x".repeat(10_000)}`));
  assert.ok(!described.includes("\x1b"));
  assert.ok(described.length < 1_100, `${described.length} characters`);
});
