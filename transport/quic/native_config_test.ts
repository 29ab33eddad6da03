import assert from "node:assert/strict";
import { testMaterial } from "../testing/test_material.ts";
import { nativeConfig, QUIC_ALPN } from "./native_config.ts";
import { quicLimits } from "./quic_transport_limits.ts";
import { clientIdentity } from "./testing/identities.ts";
import { RawQuicClient } from "./testing/raw_quic_client.ts";
import { startRuntime } from "./testing/runtime_fixture.ts";

Deno.test("nativeConfig() takes any limits that quicLimits() lets through", async () => {
  const identity = await clientIdentity();
  const most = 0x7fff_ffff;
  for (const value of [1, most]) {
    nativeConfig(
      identity,
      quicLimits({ idleTimeoutMs: value, maxBidirectionalStreams: value, maxUnidirectionalStreams: value }),
    );
  }
});

Deno.test("nativeConfig() throws for a key that cannot be read, and for PEM without DER in it", async () => {
  const identity = await clientIdentity();
  const limits = quicLimits();
  const broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
  assert.throws(() => nativeConfig({ ...identity, keyPem: "nonsense" }, limits), /NO_START_LINE/);
  assert.throws(() => nativeConfig({ ...identity, certificatePem: broken }, limits), /DECODE_ERROR/);
  assert.throws(() => nativeConfig({ ...identity, caPem: [broken] }, limits), /DECODE_ERROR/);
});

Deno.test("nativeConfig() tells the peer this end's limits", async () => {
  await using fixture = await startRuntime({
    limits: { idleTimeoutMs: 12_345, maxBidirectionalStreams: 7, maxUnidirectionalStreams: 5 },
  });
  await using client = await RawQuicClient.connect(fixture.address, { identity: await clientIdentity() });
  const { native } = client.connection;
  const stats = native.stats();
  assert.equal(new TextDecoder().decode(native.applicationProto()), QUIC_ALPN);
  assert.equal(stats.peerMaxIdleTimeout, 12_345);
  assert.equal(stats.peerInitialMaxStreamsBidi, 7);
  assert.equal(stats.peerInitialMaxStreamsUni, 5);
  assert.equal(stats.peerMaxUdpPayloadSize, 1_500);
  assert.equal(stats.peerInitialMaxData, 4 * 1024 * 1024);
  assert.equal(stats.peerInitialMaxStreamDataBidiRemote, 1024 * 1024);
});

Deno.test("nativeConfig() makes connections that neither resume another nor begin before their handshake", async () => {
  const { client } = await testMaterial();
  await using fixture = await startRuntime();
  for (const _ of [1, 2]) {
    // deno-lint-ignore no-await-in-loop -- one after the other: the second could use what the first was given
    await using connected = await RawQuicClient.connect(fixture.address, { identity: client });
    assert.equal(connected.connection.native.isResumed(), false);
    assert.equal(connected.connection.native.isInEarlyData(), false);
  }
});
