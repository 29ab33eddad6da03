import assert from "node:assert/strict";
import { join } from "node:path";
import { createCertificateRequest } from "../identity/certificate_request.ts";
import { PalyraError } from "../identity/palyra_error.ts";
import { TlsKey } from "../identity/tls_key.ts";
import { callUnary } from "../transport/grpc/unary_call.ts";
import { CHANNEL_LEFTOVERS } from "../transport/grpc/testing/channel_leftovers.ts";
import { Fleet } from "./harness/fleet.ts";
import { TESTS_BUILT_PROGRAMS } from "./harness/program.ts";
import { identityOf, nodeClient } from "./harness/paired_device.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

// deno-lint-ignore no-explicit-any -- whatever the daemon's JSON holds
async function nodeCalled(fleet: Fleet, name: string): Promise<any> {
  const { nodes } = await fleet.palyrad("nodes", "list");
  return nodes.find((node: { device_name: string }) => node.device_name === name);
}

/** The request once it has ended. */
// deno-lint-ignore no-explicit-any -- whatever the daemon's JSON holds
async function ended(fleet: Fleet, requestId: string): Promise<any> {
  for (;;) {
    // deno-lint-ignore no-await-in-loop -- asks until it has ended
    const request = await fleet.palyrad("requests", "show", requestId);
    if (request.completed_at_unix_ms > 0) return request;
  }
}

for (const transport of ["grpc", "quic"] as const) {
  Deno.test(`revoking a node over ${transport} cuts it off at once and for good, across a restart, until it is removed and paired anew`, async () => {
    await using fleet = await Fleet.create();
    await fleet.startDaemon();
    await fleet.pair("laptop");
    const host = await fleet.connect("laptop", ["--transport", transport]);
    const { device_id: deviceId, transport: used } = await nodeCalled(fleet, "laptop");
    assert.equal(used, transport);

    await fleet.palyrad("devices", "revoke", deviceId, "--reason", "lost");
    const { code, stderr } = await host.ended;
    assert.equal(code, 3, stderr);
    assert.equal((await nodeCalled(fleet, "laptop")).connected, false);
    assert.equal((await fleet.tryPalyrad("nodes", "invoke", "laptop", "echo")).code, 8);

    await fleet.restartDaemon("SIGTERM");
    const again = await fleet.node("laptop", ["run", "--transport", transport]);
    assert.notEqual(again.code, 0, "still refused after a restart");
    const shown = await fleet.palyrad("devices", "show", deviceId);
    assert.equal(shown.status, "revoked");
    assert.equal(shown.revoked_reason, "lost");

    // It cannot pair again by itself, not even with a code that approves in advance.
    const { secret_text: token } = await fleet.palyrad("pairing", "code", "--approve");
    const refused = await fleet.node("laptop", ["pair", token, "--force"]);
    assert.notEqual(refused.code, 0);
    assert.match(refused.stderr, /device_revoked/);

    await fleet.palyrad("devices", "remove", deviceId);
    const { secret_text: fresh } = await fleet.palyrad("pairing", "code", "--approve");
    const paired = await fleet.node("laptop", ["pair", fresh, "--force"]);
    assert.equal(paired.code, 0, paired.stderr);
  });

  Deno.test(`a request for an offline node over ${transport} waits on disk, through a daemon that is killed, and runs when the node comes`, async () => {
    await using fleet = await Fleet.create();
    await fleet.startDaemon();
    await fleet.pair("laptop");
    const host = await fleet.connect("laptop", ["--transport", transport]);
    await host.stop();
    const queued = await fleet.palyrad("nodes", "invoke", "laptop", "echo", "--input-json", '"hi"', "--no-wait");
    assert.equal(queued.state, "queued");

    await fleet.restartDaemon("SIGKILL");
    assert.equal((await fleet.palyrad("requests", "show", queued.request_id)).state, "queued");
    await fleet.connect("laptop", ["--transport", transport]);
    const request = await ended(fleet, queued.request_id);
    assert.equal(request.state, "succeeded");
    assert.equal(request.output.echo, "hi");
  });

  Deno.test(`a node reconnects by itself over ${transport} when its daemon was killed, and works on`, async () => {
    await using fleet = await Fleet.create();
    await fleet.startDaemon();
    await fleet.pair("laptop");
    const host = await fleet.connect("laptop", ["--transport", transport]);
    await fleet.restartDaemon("SIGKILL");
    await fleet.daemon.line((line) => line.includes("Node connected."));
    // Over UDP nothing tells of a killed process but its successor.
    if (transport === "quic") assert.match(host.output, /does not know this connection any more/);
    const request = await fleet.palyrad("nodes", "invoke", "laptop", "echo");
    assert.equal(request.state, "succeeded");
    assert.equal((await nodeCalled(fleet, "laptop")).epoch, 2);
  });

  Deno.test(`a node over ${transport} that is frozen is offline within its keep-alive, and comes back when it thaws`, async () => {
    await using fleet = await Fleet.create();
    await fleet.startDaemon();
    await fleet.pair("laptop");
    const host = await fleet.connect("laptop", ["--transport", transport]);
    host.kill("SIGSTOP");
    await fleet.daemon.line((line) => line.includes("keep_alive_missed"));
    assert.equal((await nodeCalled(fleet, "laptop")).connected, false);
    host.kill("SIGCONT");
    await fleet.daemon.line((line) => line.includes("Node connected.") && line.includes('"epoch":2'));
  });
}

// A release may start the platform's opener alone, and here is another.
const desktopTest = TESTS_BUILT_PROGRAMS ? Deno.test.ignore : Deno.test;
desktopTest("a desktop call runs when the node's owner allows it, and hostile ones are refused", async () => {
  await using fleet = await Fleet.create();
  await fleet.startDaemon();
  const folder = join(fleet.nodeRoot("laptop"), "node-host");
  await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
  const opened = join(folder, "opened.txt");
  const opener = join(folder, "opener.sh");
  await Deno.writeTextFile(opener, `#!/bin/sh\nprintf '%s\\n' "$@" >> '${opened}'\n`, { mode: 0o700 });
  await Deno.writeTextFile(
    join(folder, "palyra.toml"),
    `opener = "${opener}"\n[capabilities."desktop.open_url"]\nmediation = "allow"\n`,
    { mode: 0o600 },
  );
  await fleet.pair("laptop");
  await fleet.connect("laptop");

  const open = (url: string) =>
    fleet.tryPalyrad(
      "nodes",
      "invoke",
      "laptop",
      "desktop.open_url",
      "--json",
      "--input-json",
      JSON.stringify({ url }),
    );
  const allowed = await open("https://example.com/a?b=c#d");
  assert.equal(allowed.code, 0, allowed.stdout + allowed.stderr);
  assert.equal(await Deno.readTextFile(opened), "https://example.com/a?b=c#d\n");
  const hostile = ["file:///etc/passwd", "javascript:alert(1)", "https://user:secret@example.com/", "--help", ""];
  const refused = await Promise.all(hostile.map(open));
  assert.deepEqual(refused.map(({ code }) => code), hostile.map(() => 2));
  assert.equal(await Deno.readTextFile(opened), "https://example.com/a?b=c#d\n", "nothing else reached the opener");
});

Deno.test("an operator's mistakes are told apart by their exit codes and change nothing", async () => {
  await using fleet = await Fleet.create();
  await fleet.startDaemon();
  await fleet.pair("laptop");
  await fleet.connect("laptop");
  const cases: [number, string, string[]][] = [
    [2, "invalid_input", ["nodes", "invoke", "laptop", "echo", "--input-json", "{"]],
    [2, "output_too_large", ["nodes", "invoke", "laptop", "echo", "--max-payload-bytes", "5"]],
    [2, "invalid_argument", ["nodes", "invoke", "laptop", "echo", "--timeout", "soon"]],
    [2, "invalid_argument", ["pairing", "code", "--ttl", "5s"]],
    [2, "invalid_argument", ["nodes", "lits"]],
    [8, "node_not_found", ["devices", "revoke", "nobody"]],
    [8, "node_not_found", ["nodes", "invoke", "desktop", "echo"]],
    [8, "capability_not_found", ["nodes", "invoke", "laptop", "no.such.thing"]],
    [8, "request_not_found", ["requests", "show", "01M84QNGJ907HECH4JTCE6GMW7"]],
    [8, "pairing_not_found", ["pairing", "approve", "01M84QNGJ907HECH4JTCE6GMW7"]],
  ];
  const results = await Promise.all(cases.map(async ([code, reason, args]) => {
    const result = await fleet.tryPalyrad(...args);
    return { args, code: result.code === code, reason: result.stderr.includes(`[${reason}]`), said: result.stderr };
  }));
  for (const result of results) assert.ok(result.code && result.reason, JSON.stringify(result));
  assert.deepEqual((await fleet.palyrad("pairing", "list")).codes.length, 1);
});

Deno.test(
  "a node registers, runs, renews and ends itself by unary calls with its own certificate",
  CHANNEL_LEFTOVERS,
  async () => {
    await using fleet = await Fleet.create();
    const { nodeRpc } = await fleet.startDaemon();
    await fleet.pair("laptop");
    const host = await fleet.connect("laptop");
    const identity = await identityOf(fleet, "laptop");
    const deviceId = { ulid: identity.deviceId };
    using client = nodeClient(nodeRpc, identity);

    const executed = await callUnary(client, client.executeCapability, {
      v: 1,
      deviceId,
      capability: "echo",
      inputJson: bytes("1"),
      maxPayloadBytes: 0,
    });
    assert.equal(executed.success, true);

    const tlsKey = await TlsKey.generate();
    const csrDer = await createCertificateRequest({ deviceId: identity.deviceId, tlsKey });
    const rotated = await callUnary(client, client.rotateDeviceCertificate, {
      v: 1,
      deviceId,
      replay: undefined,
      csrDer,
    });
    assert.equal(rotated.rotated, true);
    const renewed = { ...identity, certificatePem: rotated.mtlsClientCertificatePem, keyPem: await tlsKey.toPem() };
    {
      using next = nodeClient(nodeRpc, renewed);
      const registered = await callUnary(next, next.registerNode, {
        v: 1,
        deviceId,
        platform: "test",
        capabilities: [],
        replay: undefined,
      });
      assert.equal(registered.accepted, true, "the new certificate works");
    }
    const still = await callUnary(client, client.executeCapability, {
      v: 1,
      deviceId,
      capability: "echo",
      inputJson: bytes("1"),
      maxPayloadBytes: 0,
    }).catch((error: unknown) => error);
    // The certificate before it still connects; the capability is gone because the node has just declared none.
    assert.ok(still instanceof PalyraError && still.code === "capability_not_found", String(still));

    await host.stop();
    const gone = await fleet.node("laptop", ["unpair"]);
    assert.equal(gone.code, 0, gone.stderr);
    assert.deepEqual((await fleet.palyrad("devices", "list")).devices.length, 1, "the operator alone is left");
    await assert.rejects(
      callUnary(client, client.registerNode, {
        v: 1,
        deviceId,
        platform: "test",
        capabilities: [],
        replay: undefined,
      }),
      PalyraError,
    );
  },
);

Deno.test("deno task demo runs to its end and leaves nothing behind", async () => {
  const demo = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-prompt", "-A", new URL("demo.ts", import.meta.url).href],
  });
  const { code, stdout, stderr } = await demo.output();
  const said = new TextDecoder().decode(stdout);
  assert.equal(code, 0, said + new TextDecoder().decode(stderr));
  assert.match(said, /s {2}palyrad stopped; done\n$/);
});
