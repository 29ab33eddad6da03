import assert from "node:assert/strict";
import { DEFAULT_QUIC_LIMITS, quicLimits } from "./quic_transport_limits.ts";

Deno.test("quicLimits() has the limits of the design where nothing else is said", () => {
  assert.deepEqual(quicLimits(), DEFAULT_QUIC_LIMITS);
  assert.deepEqual(DEFAULT_QUIC_LIMITS, {
    maxConnections: 256,
    maxConnectionsPerPeer: 8,
    handshakeRate: { burst: 256, perSecond: 64 },
    handshakeTimeoutMs: 10_000,
    maxHandshakeBytes: 65_536,
    idleTimeoutMs: 30_000,
    keepAliveMs: 5_000,
    addressProofMs: 3_000,
    connectionIdPauseMs: 500,
    maxBidirectionalStreams: 32,
    maxUnidirectionalStreams: 32,
    maxFrameBytes: 524_288,
    requestTimeoutMs: 10_000,
  });
});

Deno.test("quicLimits() takes changes and leaves the rest", () => {
  const limits = quicLimits({ maxConnections: 1, handshakeRate: { burst: 2, perSecond: 3 } });
  assert.deepEqual(limits, { ...DEFAULT_QUIC_LIMITS, maxConnections: 1, handshakeRate: { burst: 2, perSecond: 3 } });
  assert.equal(quicLimits({ idleTimeoutMs: 0x7fff_ffff }).idleTimeoutMs, 0x7fff_ffff);
});

for (const value of [0, -1, 1.5, NaN, Infinity, 0x8000_0000]) {
  Deno.test(`quicLimits() throws for ${value}, which would end the process or mean nothing`, () => {
    assert.throws(() => quicLimits({ idleTimeoutMs: value }), {
      name: "RangeError",
      message: `the QUIC limit idleTimeoutMs must be a whole number from 1 to 2147483647, not ${value}`,
    });
    assert.throws(() => quicLimits({ handshakeRate: { burst: value, perSecond: 1 } }), RangeError);
    assert.throws(() => quicLimits({ handshakeRate: { burst: 1, perSecond: value } }), RangeError);
  });
}
