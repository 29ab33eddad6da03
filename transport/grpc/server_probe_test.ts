import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import * as tls from "node:tls";
import { fingerprintOf } from "../../identity/fingerprint.ts";
import { PalyraError } from "../../identity/palyra_error.ts";
import type { ReasonCode } from "../../identity/reason_code.ts";
import { BeginPairingSessionRequest, BeginPairingSessionResponse, NodeServiceService } from "../../proto/gen/node.ts";
import { probedServerCredentials, probeServerChain } from "./server_probe.ts";
import { materialOf } from "../testing/test_material.ts";
import { startListener } from "./testing/listener_fixture.ts";
import { nodeClient } from "./testing/test_clients.ts";
import { testMaterial } from "../testing/test_material.ts";
import { TestPki } from "../testing/test_pki.ts";
import type { ServerTlsMaterial } from "../server_tls_material.ts";
import { callUnary } from "./unary_call.ts";
import { openUnaryHandler } from "./unary_handler.ts";
import { CHANNEL_LEFTOVERS } from "./testing/channel_leftovers.ts";

function enrolment(material: ServerTlsMaterial) {
  return startListener({
    mode: { kind: "server-only" },
    tls: material,
    services: (server) =>
      server.addService(NodeServiceService, {
        beginPairingSession: openUnaryHandler<BeginPairingSessionRequest, BeginPairingSessionResponse>(() =>
          BeginPairingSessionResponse.create({ sessionId: "begun" })
        ),
      }),
  });
}

function isError(code: ReasonCode, message = /./): (error: unknown) => boolean {
  return (error) => error instanceof PalyraError && error.code === code && message.test(error.message);
}

Deno.test(
  "probeServerChain() returns the leaf and its CA, and the channel it binds serves",
  CHANNEL_LEFTOVERS,
  async () => {
    await using pki = await TestPki.create();
    const server = await pki.issue("daemon", { usage: "serverAuth" });
    await using fixture = await enrolment(materialOf(pki, server));
    const chain = await probeServerChain(fixture.endpoint);
    assert.equal(fingerprintOf(chain.leafDer), server.fingerprint);
    assert.equal(fingerprintOf(chain.caDer), pki.ca.fingerprint);
    using client = nodeClient(fixture.port, probedServerCredentials(chain));
    const request = BeginPairingSessionRequest.create({ v: 1 });
    assert.equal((await callUnary(client, client.beginPairingSession, request)).sessionId, "begun");
  },
);

Deno.test(
  "probedServerCredentials() refuse a server that swaps its certificate between probe and call",
  CHANNEL_LEFTOVERS,
  async () => {
    await using pki = await TestPki.create();
    const first = await pki.issue("daemon", { usage: "serverAuth" });
    const second = await pki.issue("daemon", { usage: "serverAuth" });
    await using fixture = await enrolment(materialOf(pki, first));
    const chain = await probeServerChain(fixture.endpoint);
    // The same CA and the same name: only the leaf tells.
    fixture.listener.reload(materialOf(pki, second));
    using client = nodeClient(fixture.port, probedServerCredentials(chain));
    const request = BeginPairingSessionRequest.create({ v: 1 });
    await assert.rejects(callUnary(client, client.beginPairingSession, request), isError("daemon_untrusted"));
  },
);

Deno.test("probedServerCredentials() refuse a leaf that the shown CA did not issue", CHANNEL_LEFTOVERS, async () => {
  await using pki = await TestPki.create();
  await using foreign = await TestPki.create();
  // The leaf of one CA, with another of the same name beside it.
  const leaf = await foreign.issue("daemon", { usage: "serverAuth" });
  await using fixture = await enrolment(materialOf(pki, leaf));
  const chain = await probeServerChain(fixture.endpoint);
  assert.equal(fingerprintOf(chain.caDer), pki.ca.fingerprint);
  using client = nodeClient(fixture.port, probedServerCredentials(chain));
  const request = BeginPairingSessionRequest.create({ v: 1 });
  await assert.rejects(callUnary(client, client.beginPairingSession, request), isError("daemon_untrusted"));
});

Deno.test(
  "probeServerChain() rejects with daemon_unreachable and the cause where no daemon is",
  CHANNEL_LEFTOVERS,
  async () => {
    const plain = net.createServer((socket) => {
      socket.on("error", () => {});
      socket.resume();
      socket.end("SSH-2.0-OpenSSH\r\n");
    });
    const silent = net.createServer((socket) => {
      socket.on("error", () => {});
      socket.resume();
    });
    const listen = (server: net.Server) => new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    await Promise.all([listen(plain), listen(silent)]);
    const at = (server: net.Server) => ({ host: "127.0.0.1", port: (server.address() as net.AddressInfo).port });
    await assert.rejects(probeServerChain(at(plain)), isError("daemon_unreachable", /does not speak TLS/));
    await assert.rejects(
      probeServerChain(at(silent), { timeoutMs: 30 }),
      isError("daemon_unreachable", /does not answer/),
    );
    const controller = new AbortController();
    const probe = probeServerChain(at(silent), { signal: controller.signal });
    controller.abort();
    await assert.rejects(probe, isError("cancelled"));
    await assert.rejects(probeServerChain(at(silent), { signal: controller.signal }), isError("cancelled"));
    const closed = Promise.all([once(plain, "close"), once(silent, "close")]);
    plain.close();
    silent.close();
    await closed;
    await assert.rejects(
      probeServerChain({ host: "127.0.0.1", port: 1 }),
      isError("daemon_unreachable", /Nothing listens/),
    );
    await assert.rejects(
      probeServerChain({ host: "no-such-host.invalid", port: 1 }),
      isError("daemon_unreachable", /does not resolve/),
    );
  },
);

Deno.test(
  "probeServerChain() rejects with daemon_untrusted when the server does not show its CA",
  CHANNEL_LEFTOVERS,
  async () => {
    const { server: material } = await testMaterial();
    const [leafOnly] = material.certificatePem.split(/(?<=-----END CERTIFICATE-----\n)/);
    const server = tls.createServer({ cert: leafOnly, key: material.keyPem, ALPNProtocols: ["h2"] }, (socket) => {
      socket.on("error", () => {});
      socket.resume();
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as net.AddressInfo;
    await assert.rejects(probeServerChain({ host: "127.0.0.1", port }), isError("daemon_untrusted", /which CA/));
    const closed = once(server, "close");
    server.close();
    await closed;
  },
);
