import assert from "node:assert/strict";
import { PalyraError } from "../../identity/palyra_error.ts";
import { clientMaterialOf, materialOf, testMaterial } from "../testing/test_material.ts";
import { TestPki } from "../testing/test_pki.ts";
import { dialFailure } from "./connection_failure.ts";
import type { QuicIdentity } from "./native_config.ts";
import { TLS_ALERT, TLS_ALERT_BASE } from "./quic_code.ts";
import { AskedStream } from "./testing/asked_stream.ts";
import { clientIdentity } from "./testing/identities.ts";
import { RawQuicClient } from "./testing/raw_quic_client.ts";
import { assertServes, startRuntime } from "./testing/runtime_fixture.ts";

const DAY_MS = 86_400_000;
const EARLIER = new Date(Date.now() - DAY_MS);
const LATER = new Date(Date.now() + DAY_MS);

/** A daemon with a CA of its own, and one identity of each kind that it does not let in. */
async function strangers(pki: TestPki): Promise<Readonly<Record<string, QuicIdentity>>> {
  await using otherPki = await TestPki.create();
  const caPem = [pki.ca.certificatePem];
  const issue = async (name: string, options: Parameters<TestPki["issue"]>[1], from = pki) => {
    const { certificatePem, keyPem } = await from.issue(name, options);
    return { caPem, certificatePem, keyPem };
  };
  const good = await issue("good", { usage: "clientAuth" });
  const other = await issue("other", { usage: "clientAuth" });
  return {
    "no certificate": { caPem, certificatePem: undefined, keyPem: undefined },
    "a certificate of another CA": await issue("foreign", { usage: "clientAuth" }, otherPki),
    "an expired certificate": await issue("expired", {
      usage: "clientAuth",
      notAfter: EARLIER,
      notBefore: new Date(0),
    }),
    "a certificate that is not valid yet": await issue("early", { usage: "clientAuth", notBefore: LATER }),
    "a server's certificate": await issue("server", { usage: "serverAuth" }),
    "somebody else's certificate": { ...other, keyPem: good.keyPem },
  };
}

/** What client and daemon see of it: the TLS alert, and the same reason code on both sides. */
const SEEN = [
  { what: "no certificate", alert: TLS_ALERT.certificateRequired, code: "certificate_missing" },
  { what: "a certificate of another CA", alert: TLS_ALERT.unknownCa, code: "certificate_untrusted" },
  { what: "an expired certificate", alert: TLS_ALERT.certificateExpired, code: "certificate_expired" },
  { what: "a certificate that is not valid yet", alert: TLS_ALERT.certificateExpired, code: "certificate_expired" },
  { what: "a server's certificate", alert: TLS_ALERT.unsupportedCertificate, code: "certificate_untrusted" },
  // BoringSSL shows none when it has no key for it.
  { what: "somebody else's certificate", alert: TLS_ALERT.certificateRequired, code: "certificate_missing" },
] as const;

Deno.test("QuicListener lets in no peer without a valid client certificate of its CA", async (t) => {
  await using pki = await TestPki.create();
  const server = await pki.issue("daemon", { usage: "serverAuth" });
  const lawful = clientMaterialOf(pki, await pki.issue("node", { usage: "clientAuth" }));
  const identities = await strangers(pki);
  for (const { what, alert, code } of SEEN) {
    // deno-lint-ignore no-await-in-loop -- one step after the other
    await t.step(what, async () => {
      const identity = identities[what];
      assert.ok(identity !== undefined);
      await using fixture = await startRuntime({ tls: materialOf(pki, server) });
      await using client = RawQuicClient.begin(fixture.address, { identity });
      // The handshake may be complete on the client's side, but nothing is ever answered.
      const stream = await client.established ? AskedStream.ask(client.connection, "node.health") : undefined;
      const close = await client.closed;
      assert.deepEqual(close, { by: "peer", application: false, code: TLS_ALERT_BASE + alert, reason: "" });
      assert.equal(dialFailure(close, client.connection.isEstablished).code, code);
      assert.equal((await fixture.refusals.at(0)).code, code);
      assert.deepEqual(stream?.answers.items ?? [], []);
      await assertServes(fixture.address, lawful);
      assert.equal(fixture.refusals.items.length, 1);
    });
  }
});

Deno.test("QuicListener refuses a peer that speaks another protocol", async () => {
  await using fixture = await startRuntime();
  for (const alpn of ["h3", "palyra-quic-v2", "palyra-quic-v"]) {
    // deno-lint-ignore no-await-in-loop -- one after the other
    await using client = RawQuicClient.begin(fixture.address, { identity: await clientIdentity(), alpn });
    // deno-lint-ignore no-await-in-loop -- one after the other
    const close = await client.closed;
    assert.deepEqual(close, { by: "peer", application: false, code: 376, reason: "" });
    assert.equal(dialFailure(close, client.connection.isEstablished).code, "protocol_mismatch");
  }
  assert.deepEqual(fixture.refusals.items.map(({ code }) => code), Array(3).fill("protocol_mismatch"));
  await assertServes(fixture.address);
});

/** What `authorize` can say, the code of the close, and the sentence that the client shows. */
const TURNED_AWAY = [
  ["certificate_revoked", 300, /certificate was revoked at the daemon/],
  ["device_revoked", 300, /device was revoked at the daemon/],
  ["certificate_expired", 301, /certificate has expired/],
  ["device_unknown", 302, /does not know this device/],
  ["device_mismatch", 305, /refused the connection/],
] as const;

for (const [code, alert, sentence] of TURNED_AWAY) {
  Deno.test(`QuicListener never answers a peer that authorize() turns away with ${code}, and tells it so`, async () => {
    const refusal = new PalyraError(code, "A sentence for the daemon's log.");
    let turnedAway = true;
    let asked = 0;
    await using fixture = await startRuntime({
      authorize: () => turnedAway ? refusal : undefined,
      health: () => (asked++, { nodeRpcMtlsRequired: true }),
    });
    await using client = await RawQuicClient.connect(fixture.address, { identity: await clientIdentity() });
    const stream = AskedStream.ask(client.connection, "node.health");
    const close = await client.closed;
    assert.deepEqual(close, { by: "peer", application: false, code: alert, reason: code });
    const failure = dialFailure(close, client.connection.isEstablished);
    assert.equal(failure.code, code);
    assert.match(failure.message, sentence);
    assert.deepEqual(await stream.ended, { kind: "connection" });
    assert.deepEqual(stream.answers.items, []);
    assert.equal(asked, 0);
    assert.deepEqual(fixture.refusals.items, [refusal]);
    assert.deepEqual([...fixture.runtime.counters.refused], [[code, 1]]);
    turnedAway = false;
    await assertServes(fixture.address);
  });
}

Deno.test("QuicListener turns a peer away, and serves on, when authorize() itself fails", async () => {
  let failing = true;
  await using fixture = await startRuntime({
    authorize: () => {
      if (failing) throw new Error("/var/lib/palyra/state.sqlite: disk I/O error");
      return undefined;
    },
  });
  await using client = await RawQuicClient.connect(fixture.address, { identity: await clientIdentity() });
  const close = await client.closed;
  assert.deepEqual(close, { by: "peer", application: false, code: 305, reason: "internal" });
  assert.equal(dialFailure(close, client.connection.isEstablished).code, "internal");
  assert.equal((await fixture.refusals.at(0)).code, "internal");
  failing = false;
  await assertServes(fixture.address);
});

Deno.test("QuicListener hears from peers that do not trust its certificate", async () => {
  await using pki = await TestPki.create();
  await using otherPki = await TestPki.create();
  const node = await pki.issue("node", { usage: "clientAuth" });
  const client = clientMaterialOf(pki, node);
  const untrusted = [
    [await otherPki.issue("daemon", { usage: "serverAuth" }), TLS_ALERT.unknownCa, "certificate_untrusted"],
    [
      await pki.issue("daemon", { usage: "serverAuth", notBefore: new Date(0), notAfter: EARLIER }),
      TLS_ALERT.certificateExpired,
      "certificate_expired",
    ],
    [await pki.issue("node", { usage: "clientAuth" }), TLS_ALERT.unsupportedCertificate, "certificate_untrusted"],
  ] as const;
  for (const [server, alert, code] of untrusted) {
    // deno-lint-ignore no-await-in-loop -- one after the other
    await using fixture = await startRuntime({ tls: materialOf(pki, server) });
    await using raw = RawQuicClient.begin(fixture.address, { identity: client });
    // deno-lint-ignore no-await-in-loop -- one after the other
    const close = await raw.closed;
    assert.deepEqual({ ...close, reason: "" }, {
      by: "local",
      application: false,
      code: TLS_ALERT_BASE + alert,
      reason: "",
    });
    assert.equal(dialFailure(close, raw.connection.isEstablished).code, "daemon_untrusted");
    // deno-lint-ignore no-await-in-loop -- one after the other
    const refusal = await fixture.refusals.at(0);
    assert.equal(refusal.code, code);
    assert.match(refusal.message, /^The peer does not trust the daemon's certificate/);
  }
});

Deno.test("QuicListener.start() and reload() throw state_damaged for certificates that could serve nobody", async () => {
  const { server, client } = await testMaterial();
  await using fixture = await startRuntime();
  const damaged = [
    { ...server, certificatePem: "nonsense" },
    { ...server, certificatePem: "" },
    { ...server, keyPem: "nonsense" },
    { ...server, keyPem: client.keyPem },
    { ...server, clientCaPem: [] },
    { ...server, clientCaPem: ["nonsense"] },
  ];
  for (const tls of damaged) {
    // deno-lint-ignore no-await-in-loop -- one after the other
    await assert.rejects(startRuntime({ tls }), { code: "state_damaged" });
    assert.throws(() => fixture.runtime.reload(tls), { code: "state_damaged" });
  }
  await assertServes(fixture.address);
});
