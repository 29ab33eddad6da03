import assert from "node:assert/strict";
import { mintQrCode } from "../identity/pairing_code.ts";
import type { PalyraError } from "../identity/palyra_error.ts";
import type { ReasonCode } from "../identity/reason_code.ts";
import { systemClock, unixMs } from "../identity/unix_ms.ts";
import { EnrolmentConnection, openFirstEnrolment } from "./enrolment_connection.ts";
import { EnrolmentServer } from "./testing/enrolment_server.ts";
import { NodeListener } from "./testing/node_listener.ts";
import { CHANNEL_LEFTOVERS } from "../transport/grpc/testing/channel_leftovers.ts";

const OPTIONS = { caFingerprint: undefined, clock: systemClock, signal: new AbortController().signal };
const BEGIN = { v: 1, clientKind: "node", method: { value: { $case: "pin" as const, value: {} } }, replay: undefined };

const withCode = (code: ReasonCode) => (error: PalyraError) => {
  assert.equal(error.code, code, error.message);
  return true;
};

Deno.test("EnrolmentConnection speaks only to the certificate that it has seen", CHANNEL_LEFTOVERS, async () => {
  await using server = await EnrolmentServer.start(mintQrCode());
  using connection = await EnrolmentConnection.open(server.endpoint, OPTIONS);
  assert.equal(connection.observed.caFingerprint, server.ca.fingerprint);
  const { port } = server;
  await server.stop();
  // The same CA, the same port, another certificate: not the one that the handshake would cover.
  await server.listen(port);
  await assert.rejects(connection.begin(BEGIN), withCode("daemon_untrusted"));
  assert.equal(server.begins, 0);
});

Deno.test(
  "EnrolmentConnection.open() refuses a daemon whose certificate is not valid by this clock",
  CHANNEL_LEFTOVERS,
  async () => {
    await using server = await EnrolmentServer.start(mintQrCode());
    const clock = () => unixMs(Date.now() + 86_400_000);
    await assert.rejects(EnrolmentConnection.open(server.endpoint, { ...OPTIONS, clock }), (error: PalyraError) => {
      assert.equal(error.code, "daemon_untrusted");
      assert.match(error.message, /clocks/);
      return true;
    });
  },
);

Deno.test(
  "EnrolmentConnection names the wrong port when it is that of the paired nodes",
  CHANNEL_LEFTOVERS,
  async () => {
    await using server = await EnrolmentServer.start(mintQrCode());
    await using node = await NodeListener.start(server.ca);
    using connection = await EnrolmentConnection.open(node.endpoint, OPTIONS);
    await assert.rejects(connection.begin(BEGIN), (error: PalyraError) => {
      assert.equal(error.code, "daemon_unreachable");
      assert.match(error.message, /enrolment listener/);
      return true;
    });
  },
);

Deno.test("openFirstEnrolment() reports the foreign daemon rather than the silent one", CHANNEL_LEFTOVERS, async () => {
  await using server = await EnrolmentServer.start(mintQrCode());
  await using foreign = await EnrolmentServer.start(mintQrCode());
  const options = { ...OPTIONS, caFingerprint: server.ca.fingerprint };
  const silent = "127.0.0.1:1";
  await assert.rejects(openFirstEnrolment([silent], options), withCode("daemon_unreachable"));
  await assert.rejects(openFirstEnrolment([foreign.endpoint, silent], options), withCode("daemon_untrusted"));
  using connection = await openFirstEnrolment([silent, foreign.endpoint, server.endpoint], options);
  assert.equal(connection.endpoint, server.endpoint);
});

Deno.test("EnrolmentConnection.open() gives up when it is told to", CHANNEL_LEFTOVERS, async () => {
  await using server = await EnrolmentServer.start(mintQrCode());
  const stop = new AbortController();
  stop.abort();
  await assert.rejects(
    EnrolmentConnection.open(server.endpoint, { ...OPTIONS, signal: stop.signal }),
    withCode("cancelled"),
  );
});
