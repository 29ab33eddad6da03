import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import { PalyraError } from "../../identity/palyra_error.ts";
import type { ReasonCode } from "../../identity/reason_code.ts";
import {
  NodeServiceClient,
  NodeServiceService,
  type RegisterNodeRequest,
  RegisterNodeResponse,
} from "../../proto/gen/node.ts";
import { channelOptions, channelTarget, mutualCredentials, pinnedCaCredentials } from "./grpc_channel.ts";
import { startListener } from "./testing/listener_fixture.ts";
import { nodeClient } from "./testing/test_clients.ts";
import { clientMaterialOf, testMaterial } from "../testing/test_material.ts";
import { TestPki } from "../testing/test_pki.ts";
import { callUnary } from "./unary_call.ts";
import { unaryHandler } from "./unary_handler.ts";
import { CHANNEL_LEFTOVERS } from "./testing/channel_leftovers.ts";

const REQUEST: RegisterNodeRequest = { v: 1, deviceId: undefined, platform: "", capabilities: [], replay: undefined };

function rejection(client: NodeServiceClient, code: ReasonCode, cure: RegExp): Promise<void> {
  return assert.rejects(callUnary(client, client.registerNode, REQUEST), (error) => {
    assert.ok(error instanceof PalyraError);
    assert.equal(error.code, code, `${error.code}: ${error.message} (${error.cause})`);
    assert.match(error.message, cure);
    return true;
  });
}

function serving() {
  return startListener({
    services: (server) =>
      server.addService(NodeServiceService, {
        registerNode: unaryHandler<RegisterNodeRequest, RegisterNodeResponse>(
          () => undefined,
          () => RegisterNodeResponse.create(),
        ),
      }),
  });
}

Deno.test("channelTarget() writes names and both kinds of addresses as grpc-js takes them", CHANNEL_LEFTOVERS, () => {
  assert.equal(channelTarget({ host: "192.0.2.7", port: 7444 }), "ipv4:192.0.2.7:7444");
  assert.equal(channelTarget({ host: "2001:db8::7", port: 7444 }), "ipv6:[2001:db8::7]:7444");
  assert.equal(channelTarget({ host: "daemon.example.org", port: 7444 }), "dns:daemon.example.org:7444");
});

Deno.test(
  "A channel reaches a daemon by name and by IPv6 address under the daemon's one certificate name",
  CHANNEL_LEFTOVERS,
  async () => {
    const { client: material } = await testMaterial();
    await using fixture = await startListener({
      hostname: "::",
      services: (server) =>
        server.addService(NodeServiceService, {
          registerNode: unaryHandler<RegisterNodeRequest, RegisterNodeResponse>(
            () => undefined,
            (_, { remoteAddress }) => RegisterNodeResponse.create({ reason: remoteAddress }),
          ),
        }),
    });
    const credentials = mutualCredentials(material);
    for (const [host, expected] of [["localhost", /^(127\.0\.0\.1|\[::1\]):\d+$/], ["::1", /^\[::1\]:\d+$/]] as const) {
      const client = new NodeServiceClient(channelTarget({ host, port: fixture.port }), credentials, channelOptions());
      // deno-lint-ignore no-await-in-loop -- one after the other
      const { reason } = await callUnary(client, client.registerNode, REQUEST);
      client.close();
      assert.match(reason, expected);
    }
  },
);

Deno.test("A channel tells a daemon of another CA, with the same names, from its own", CHANNEL_LEFTOVERS, async () => {
  await using foreign = await TestPki.create();
  const { client: material } = await testMaterial();
  await using fixture = await serving();
  using client = nodeClient(fixture.port, mutualCredentials({ ...material, caPem: [foreign.ca.certificatePem] }));
  await rejection(client, "daemon_untrusted", /pair again/);
});

Deno.test("A channel believes each of several CAs", CHANNEL_LEFTOVERS, async () => {
  await using foreign = await TestPki.create();
  const { client: material } = await testMaterial();
  await using fixture = await serving();
  const caPem = [foreign.ca.certificatePem, ...material.caPem];
  using client = nodeClient(fixture.port, mutualCredentials({ ...material, caPem }));
  assert.ok(await callUnary(client, client.registerNode, REQUEST));
});

Deno.test(
  "A channel names the cause and the cure when the daemon refuses the certificate",
  CHANNEL_LEFTOVERS,
  async () => {
    await using foreign = await TestPki.create();
    const { client: material, ca } = await testMaterial();
    await using fixture = await serving();
    const forged = clientMaterialOf(foreign, await foreign.issue("node", { usage: "clientAuth" }));
    using withForged = nodeClient(fixture.port, mutualCredentials({ ...forged, caPem: material.caPem }));
    await rejection(withForged, "certificate_untrusted", /expired, revoked or of another daemon.*pair again/);
    using without = nodeClient(fixture.port, pinnedCaCredentials([ca.certificatePem]));
    await rejection(without, "certificate_missing", /palyra-node pair/);
  },
);

Deno.test("A channel tells what is wrong with an address where no daemon is", CHANNEL_LEFTOVERS, async () => {
  const { client: material } = await testMaterial();
  const credentials = mutualCredentials(material);
  const plain = net.createServer((socket) => {
    socket.on("error", () => {});
    socket.resume();
    socket.end("HTTP/1.1 400 Bad Request\r\n\r\n");
  });
  await new Promise<void>((resolve) => plain.listen(0, "127.0.0.1", resolve));
  using notTls = nodeClient((plain.address() as net.AddressInfo).port, credentials);
  await rejection(notTls, "daemon_unreachable", /does not speak TLS/);
  const closed = once(plain, "close");
  plain.close();
  await closed;
  using refused = nodeClient(1, credentials);
  await rejection(refused, "daemon_unreachable", /Nothing listens/);
  const target = channelTarget({ host: "no-such-host.invalid", port: 1 });
  const nameless = new NodeServiceClient(target, credentials, channelOptions());
  await rejection(nameless, "daemon_unreachable", /does not resolve/);
  nameless.close();
});

Deno.test(
  "mutualCredentials() throws state_damaged when key and certificate cannot be used",
  CHANNEL_LEFTOVERS,
  async () => {
    const { client: material, server } = await testMaterial();
    const otherKey = { keyPem: server.keyPem };
    for (const damaged of [{ keyPem: "not a key" }, { certificatePem: "not a certificate" }, otherKey]) {
      assert.throws(
        () => mutualCredentials({ ...material, ...damaged }),
        (error) => error instanceof PalyraError && error.code === "state_damaged" && !error.message.includes("not a"),
      );
    }
  },
);
