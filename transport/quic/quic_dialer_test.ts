import assert from "node:assert/strict";
import { PalyraError } from "../../identity/palyra_error.ts";
import type { Authorize } from "../session.ts";
import { testMaterial } from "../testing/test_material.ts";
import { encodeFrame } from "./frame_writer.ts";
import { QuicDialer, type QuicDialerOptions } from "./quic_dialer.ts";
import { QuicListener } from "./quic_listener.ts";
import type { QuicStream } from "./quic_stream.ts";
import { quicLimits } from "./quic_transport_limits.ts";
import { assertServes, startRuntime } from "./testing/runtime_fixture.ts";
import { UdpSocket } from "./udp_socket.ts";

const NEVER = new AbortController().signal;

async function dialerTo(port: number, options: Partial<QuicDialerOptions> = {}): Promise<QuicDialer> {
  const { client } = await testMaterial();
  return new QuicDialer({ endpoint: { host: "127.0.0.1", port }, material: () => client, ...options });
}

/** A daemon that does with streams what it likes. */
async function strangeDaemon(onStream: (stream: QuicStream) => void, authorize: Authorize = () => undefined) {
  const { server } = await testMaterial();
  const listener = QuicListener.start({
    hostname: "127.0.0.1",
    port: 0,
    tls: server,
    limits: quicLimits(),
    resetKey: new Uint8Array(32),
    authorize,
    onStream,
    onRefused: () => {},
  });
  return { listener, port: listener.address.port, [Symbol.asyncDispose]: () => listener.close(0) };
}

function frameOf(value: unknown): Uint8Array {
  return encodeFrame(new TextEncoder().encode(JSON.stringify(value)));
}

Deno.test("QuicDialer.dial() resolves when the daemon has opened the session on its side", async () => {
  await using fixture = await startRuntime();
  const dialer = await dialerTo(fixture.address.port);
  assert.equal(dialer.transport, "quic");
  const node = await dialer.dial(NEVER);
  assert.equal(fixture.sessions.items.length, 1);
  assert.equal(node.remoteAddress, `127.0.0.1:${fixture.address.port}`);
  node.abort("cancelled", "The test is over.");
  await node.closed;
});

Deno.test("QuicDialer.dial() finds the daemon by a name", async () => {
  await using fixture = await startRuntime();
  const dialer = await dialerTo(0, { endpoint: { host: "localhost", port: fixture.address.port } });
  const node = await dialer.dial(NEVER);
  node.abort("cancelled", "The test is over.");
  await node.closed;
});

Deno.test("QuicDialer.dial() takes the certificate of the moment", async () => {
  const { client } = await testMaterial();
  await using fixture = await startRuntime();
  let asked = 0;
  const dialer = await dialerTo(fixture.address.port, { material: () => (asked++, client) });
  for (let count = 1; count <= 2; count++) {
    // deno-lint-ignore no-await-in-loop -- one after the other
    const node = await dialer.dial(NEVER);
    assert.equal(asked, count);
    node.abort("cancelled", "The test is over.");
    // deno-lint-ignore no-await-in-loop -- one after the other
    await node.closed;
  }
});

Deno.test("QuicDialer.dial() rejects with what the daemon says after the handshake", async () => {
  let refusal: PalyraError | undefined = new PalyraError("device_unknown", "A sentence for the daemon's log.");
  await using fixture = await startRuntime({ authorize: () => refusal });
  const dialer = await dialerTo(fixture.address.port);
  await assert.rejects(dialer.dial(NEVER), {
    code: "device_unknown",
    message: "The daemon does not know this device. Pair it again: `palyra-node pair --force`.",
  });
  refusal = undefined;
  await assertServes(fixture.address);
});

Deno.test("QuicDialer.dial() rejects with what the daemon says to the request", async () => {
  let asked = 0;
  const refusal = new PalyraError("device_revoked", "The device was revoked. Ask its operator.");
  await using fixture = await startRuntime({ authorize: () => asked++ === 0 ? undefined : refusal });
  await assert.rejects((await dialerTo(fixture.address.port)).dial(NEVER), {
    code: "device_revoked",
    message: "The device was revoked. Ask its operator.",
  });
  assert.deepEqual(fixture.sessions.items, []);
});

Deno.test("QuicDialer.dial() rejects with connection_limit when the daemon is full", async () => {
  await using fixture = await startRuntime({ limits: { maxConnections: 1 } });
  const dialer = await dialerTo(fixture.address.port);
  const first = await dialer.dial(NEVER);
  await assert.rejects(dialer.dial(NEVER), { code: "connection_limit" });
  first.abort("cancelled", "The test is over.");
  await first.closed;
});

const STRANGE_ANSWERS = [
  ["no session", { protocol_version: 1, kind: "health", ok: true, node_rpc_mtls_required: true }],
  ["a code that this version does not know", {
    protocol_version: 1,
    kind: "error",
    ok: false,
    error: "x",
    message: "y",
  }],
  ["unsupported_method", { protocol_version: 1, kind: "error", ok: false, error: "unsupported_method", message: "y" }],
  ["another version", { protocol_version: 2, kind: "session", ok: true }],
  ["nonsense", 7],
] as const;

for (const [what, answer] of STRANGE_ANSWERS) {
  Deno.test(`QuicDialer.dial() rejects with protocol_mismatch when a daemon answers with ${what}`, async () => {
    await using daemon = await strangeDaemon((stream) => {
      stream.own({ onData: () => stream.write(frameOf(answer)), onEnd: () => {} });
    });
    await assert.rejects((await dialerTo(daemon.port)).dial(NEVER), { code: "protocol_mismatch" });
  });
}

Deno.test("QuicDialer.dial() rejects with message_too_large when a daemon announces more than a frame has", async () => {
  await using daemon = await strangeDaemon((stream) => {
    stream.own({ onData: () => stream.write(Uint8Array.of(0xff, 0, 0, 0)), onEnd: () => {} });
  });
  await assert.rejects((await dialerTo(daemon.port)).dial(NEVER), { code: "message_too_large" });
});

Deno.test("QuicDialer.dial() rejects with connection_lost when a daemon resets the stream", async () => {
  await using daemon = await strangeDaemon((stream) => stream.reset(7));
  await assert.rejects((await dialerTo(daemon.port)).dial(NEVER), { code: "connection_lost" });
});

Deno.test("QuicDialer.dial() waits for the answer of a daemon that has stopped reading before it answers", async () => {
  await using daemon = await strangeDaemon((stream) => {
    stream.stopReading(0);
    const error = { protocol_version: 1, kind: "error", ok: false, error: "queue_full", message: "Too much." };
    // Leaves with a later datagram than the word that nothing more is read.
    setTimeout(() => stream.write(frameOf(error), { fin: true }), 20);
  });
  await assert.rejects((await dialerTo(daemon.port)).dial(NEVER), { code: "queue_full", message: "Too much." });
});

Deno.test("QuicDialer.dial() rejects with deadline_exceeded when nobody answers, or nobody opens the session", async () => {
  const nobody = UdpSocket.bind("127.0.0.1", 0, () => {});
  await using silent = await strangeDaemon(() => {});
  for (const port of [nobody.local.port, silent.port]) {
    // deno-lint-ignore no-await-in-loop -- one after the other
    const dialer = await dialerTo(port, { timeoutMs: 100 });
    // deno-lint-ignore no-await-in-loop -- one after the other
    await assert.rejects(dialer.dial(NEVER), {
      code: "deadline_exceeded",
      message:
        "The daemon did not answer over QUIC within 0.1 s. Check that it runs and that the network lets UDP through.",
    });
  }
  await nobody.close();
});

Deno.test("QuicDialer.dial() rejects with cancelled when it is told to give up", async () => {
  const waiting = Promise.withResolvers<void>();
  await using silent = await strangeDaemon(() => waiting.resolve());
  const dialer = await dialerTo(silent.port);
  await assert.rejects(dialer.dial(AbortSignal.abort()), { code: "cancelled" });
  const giveUp = new AbortController();
  const dialled = dialer.dial(giveUp.signal);
  void waiting.promise.then(() => giveUp.abort());
  await assert.rejects(dialled, { code: "cancelled" });
});

Deno.test("QuicDialer.dial() rejects with daemon_unreachable for a name that has no address", async () => {
  const dialer = await dialerTo(0, { endpoint: { host: "palyra.invalid", port: 7_444 } });
  await assert.rejects(dialer.dial(NEVER), { code: "daemon_unreachable", message: /host name does not resolve/ });
});
