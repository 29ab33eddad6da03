import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import { PalyraError } from "../../identity/palyra_error.ts";
import type { ReasonCode } from "../../identity/reason_code.ts";
import { unixMs } from "../../identity/unix_ms.ts";
import { NodeServiceService } from "../../proto/gen/node.ts";
import type { Authorize, DaemonSession } from "../session.ts";
import { nodeStreamHandler } from "./grpc_daemon_session.ts";
import { GrpcDialer } from "./grpc_dialer.ts";
import { startListener } from "./testing/listener_fixture.ts";
import { clientMaterialOf, testMaterial } from "../testing/test_material.ts";
import { TestPki } from "../testing/test_pki.ts";
import { CHANNEL_LEFTOVERS } from "./testing/channel_leftovers.ts";

const HOUR_MS = 3_600_000;

function serving(onSession: (session: DaemonSession) => void, authorize: Authorize = () => undefined) {
  return startListener({
    services: (server, connections) =>
      server.addService(NodeServiceService, {
        streamNodeEvents: nodeStreamHandler(onSession, authorize, connections),
      }),
  });
}

function isError(code: ReasonCode, message = /./): (error: unknown) => boolean {
  return (error) => error instanceof PalyraError && error.code === code && message.test(error.message);
}

function noSignal(): AbortSignal {
  return new AbortController().signal;
}

Deno.test(
  "GrpcDialer.dial() rejects with the daemon's own reason, at the call and at the connection",
  CHANNEL_LEFTOVERS,
  async () => {
    const { client } = await testMaterial();
    const revoked = new PalyraError("device_revoked", "This device was revoked. Ask the operator.");
    await using atCall = await serving(() => assert.fail("must not be accepted"), () => revoked);
    const dialer = (endpoint: { host: string; port: number }) => new GrpcDialer({ endpoint, material: () => client });
    await assert.rejects(
      dialer(atCall.endpoint).dial(noSignal()),
      isError("device_revoked", /^This device was revoked/),
    );

    await using atConnection = await startListener({
      mode: { kind: "mutual", authorize: () => revoked },
      services: () => {},
    });
    await assert.rejects(dialer(atConnection.endpoint).dial(noSignal()), isError("device_revoked", /Ask the operator/));
    assert.deepEqual(atConnection.refusals, [revoked]);
  },
);

Deno.test("GrpcDialer.dial() rejects with what the daemon's session handler throws", CHANNEL_LEFTOVERS, async () => {
  const { client } = await testMaterial();
  const ended = Promise.withResolvers<DaemonSession>();
  await using fixture = await serving((session) => {
    ended.resolve(session);
    throw new PalyraError("shutting_down", "The daemon is stopping; connect again later.");
  });
  const dialer = new GrpcDialer({ endpoint: fixture.endpoint, material: () => client });
  await assert.rejects(dialer.dial(noSignal()), isError("shutting_down", /stopping/));
  assert.equal((await (await ended.promise).closed).code, "shutting_down");
});

Deno.test(
  "GrpcDialer.dial() resolves even when the daemon closes in the same breath, and tells the end",
  CHANNEL_LEFTOVERS,
  async () => {
    const { client } = await testMaterial();
    await using fixture = await serving((session) => session.close("session_replaced", "Another one has begun."));
    const dialer = new GrpcDialer({ endpoint: fixture.endpoint, material: () => client });
    const session = await dialer.dial(noSignal());
    session.onMessage = () => assert.fail("there was no message");
    const end = await session.closed;
    assert.equal(end.by, "peer");
    assert.equal(end.code, "session_replaced");
    assert.equal(end.message, "Another one has begun.");
  },
);

Deno.test("GrpcDialer.dial() says when this machine's own certificate is out of date", CHANNEL_LEFTOVERS, async () => {
  await using pki = await TestPki.create();
  const { client } = await testMaterial();
  await using fixture = await serving(() => assert.fail("must not be accepted"));
  const dialWith = async (notBefore: number, notAfter: number) => {
    const identity = await pki.issue("node", {
      usage: "clientAuth",
      notBefore: new Date(Date.now() + notBefore),
      notAfter: new Date(Date.now() + notAfter),
    });
    const material = () => ({ ...clientMaterialOf(pki, identity), caPem: client.caPem });
    return await new GrpcDialer({ endpoint: fixture.endpoint, material }).dial(noSignal());
  };
  await assert.rejects(dialWith(-2 * HOUR_MS, -HOUR_MS), isError("certificate_expired", /expired at 20.*Z/));
  await assert.rejects(dialWith(HOUR_MS, 2 * HOUR_MS), isError("certificate_not_yet_valid", /clock/));
  await assert.rejects(dialWith(-HOUR_MS, HOUR_MS), isError("certificate_untrusted"));
});

Deno.test(
  "GrpcDialer.dial() goes by its injected clock when it judges its own certificate",
  CHANNEL_LEFTOVERS,
  async () => {
    await using foreign = await TestPki.create();
    const { client } = await testMaterial();
    await using fixture = await serving(() => assert.fail("must not be accepted"));
    const identity = await foreign.issue("node", { usage: "clientAuth" });
    const dialer = new GrpcDialer({
      endpoint: fixture.endpoint,
      material: () => ({ ...clientMaterialOf(foreign, identity), caPem: client.caPem }),
      clock: () => unixMs(Date.now() + 1_000 * HOUR_MS),
    });
    await assert.rejects(dialer.dial(noSignal()), isError("certificate_expired"));
  },
);

Deno.test(
  "GrpcDialer.dial() ends in time when nobody answers, and at once when it is aborted",
  CHANNEL_LEFTOVERS,
  async () => {
    const { client } = await testMaterial();
    const sockets: net.Socket[] = [];
    const silent = net.createServer((socket) => {
      socket.on("error", () => {});
      socket.resume();
      sockets.push(socket);
    });
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    const endpoint = { host: "127.0.0.1", port: (silent.address() as net.AddressInfo).port };
    const impatient = new GrpcDialer({ endpoint, material: () => client, timeoutMs: 50 });
    await assert.rejects(impatient.dial(noSignal()), isError("deadline_exceeded"));

    const controller = new AbortController();
    const patient = new GrpcDialer({ endpoint, material: () => client });
    const dial = patient.dial(controller.signal);
    controller.abort();
    await assert.rejects(dial, isError("cancelled"));
    await assert.rejects(patient.dial(controller.signal), isError("cancelled"));
    const closed = once(silent, "close");
    silent.close();
    for (const socket of sockets) socket.destroy();
    await closed;
  },
);

Deno.test(
  "GrpcDialer.dial() takes the material anew each time and leaves no connection behind",
  CHANNEL_LEFTOVERS,
  async () => {
    const { client } = await testMaterial();
    const sessions: DaemonSession[] = [];
    await using fixture = await serving((session) => {
      session.onMessage = () => {};
      sessions.push(session);
    });
    let asked = 0;
    const dialer = new GrpcDialer({
      endpoint: fixture.endpoint,
      material: () => {
        asked++;
        return client;
      },
    });
    for (let round = 0; round < 5; round++) {
      // deno-lint-ignore no-await-in-loop -- one after the other is the scenario
      const session = await dialer.dial(noSignal());
      session.onMessage = () => {};
      session.close("shutting_down", "The node stops.");
      // deno-lint-ignore no-await-in-loop -- as above
      await session.closed;
    }
    assert.equal(asked, 5);
    await Promise.all(sessions.map((session) => session.closed));
    assert.equal(sessions.length, 5);
  },
);
