import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { requestFrame } from "./testing/asked_stream.ts";
import { DenoQuicClient } from "./testing/deno_quic_client.ts";
import { clientIdentity, strangerIdentity } from "./testing/identities.ts";
import { keptEvents } from "./testing/kept_events.ts";
import { assertServes, startRuntime } from "./testing/runtime_fixture.ts";
import type { QuicIdentity } from "./native_config.ts";
import type { Host } from "./quiche_addon.ts";

const HEALTH = { protocol_version: 1, kind: "health", ok: true, node_rpc_mtls_required: true };

/** As large as a limit can be: what a daemon tells its clients about itself is then as long as it can be. */
const MOST = 0x7fff_ffff;

/** An event as it is on the wire. */
function eventFrame(seq: number) {
  return {
    protocol_version: 1,
    kind: "event",
    ok: true,
    seq,
    name: "test.event",
    payload: { filling: "" },
    at_unix_ms: 1_700_000_000_000 + seq,
  };
}

Deno.test("QuicRuntime serves a client of another make (Deno's own, quinn)", async () => {
  const events = keptEvents({ newest: 5 });
  await using fixture = await startRuntime({ events: events.read });
  await using client = await DenoQuicClient.connect(fixture.address, await clientIdentity());
  const health = await client.openStream();
  await health.write(requestFrame("node.health"));
  assert.deepEqual(await health.nextJson(), HEALTH);
  assert.equal(await health.nextJson(), undefined);
  await health.finish();

  const stream = await client.openStream();
  await stream.write(requestFrame("node.stream_events", 2));
  const received = [await stream.nextJson(), await stream.nextJson(), await stream.nextJson()];
  assert.deepEqual(received, [3, 4, 5].map(eventFrame));
  await stream.stop();
  await stream.finish();
  assert.equal(await events.stopped.at(0), 5);
});

Deno.test("QuicRuntime serves clients of another make also when its limits are as large as they can be", async () => {
  const limits = { idleTimeoutMs: MOST, maxBidirectionalStreams: MOST, maxUnidirectionalStreams: MOST };
  await using fixture = await startRuntime({ limits });
  // quinn chooses connection ids of 20 bytes, the longest, which the daemon has to repeat.
  await using client = await DenoQuicClient.connect(fixture.address, await clientIdentity());
  const health = await client.openStream();
  await health.write(requestFrame("node.health"));
  assert.deepEqual(await health.nextJson(), HEALTH);
});

Deno.test("QuicRuntime refuses a client of another make without a certificate", async () => {
  await using fixture = await startRuntime();
  await using client = await DenoQuicClient.connect(fixture.address, await strangerIdentity());
  assert.equal(await client.closed, "aborted by peer: the cryptographic handshake failed: error 116");
  assert.equal((await fixture.refusals.at(0)).code, "certificate_missing");
  await assertServes(fixture.address);
});

const GO_CLIENT = fileURLToPath(new URL("./testing/foreign_client.go", import.meta.url));
/** Debian's golang-1.19-go and golang-github-lucas-clemente-quic-go-dev. */
const GO = "/usr/lib/go-1.19/bin/go";
const GO_PATH = "/usr/share/gocode";

async function isThere(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

/** Builds the client with what Debian has, and nothing from the network. */
async function buildGoClient(folder: string): Promise<string> {
  const program = join(folder, "foreign_client");
  const { success, stderr } = await new Deno.Command(GO, {
    args: ["build", "-o", program, GO_CLIENT],
    env: { GO111MODULE: "off", GOPATH: GO_PATH, GOROOT: "", GOFLAGS: "", GOTOOLCHAIN: "local" },
  }).output();
  if (!success) throw new Error(`go build: ${new TextDecoder().decode(stderr)}`);
  return program;
}

// Where Debian's quic-go is not at hand (it takes most of a gigabyte), quinn alone is the stranger.
if (await isThere(GO) && await isThere(join(GO_PATH, "src/github.com/lucas-clemente/quic-go"))) {
  Deno.test("QuicRuntime serves a client of another make (quic-go), and refuses it without a certificate", async () => {
    const folder = await Deno.makeTempDir({ prefix: "palyra-go-" });
    try {
      const program = await buildGoClient(folder);
      await using fixture = await startRuntime({ events: keptEvents({ newest: 5 }).read });
      const requests = [
        { protocol_version: 1, method: "node.health" },
        { protocol_version: 1, method: "node.stream_events", resume_from: 2 },
        { protocol_version: 2, method: "node.health" },
      ];
      const lines = await runGoClient(program, folder, fixture.address, await clientIdentity(), requests, [1, 3, 1]);
      const frames = lines.map((line) => JSON.parse(line.replace(/^frame /, "")));
      assert.deepEqual(frames.slice(0, 4), [HEALTH, ...[3, 4, 5].map(eventFrame)]);
      assert.equal(frames[4]?.error, "protocol_mismatch");
      assert.equal(frames.length, 5);

      const refused = await runGoClient(program, folder, fixture.address, await strangerIdentity(), requests, [
        1,
        3,
        1,
      ]);
      assert.deepEqual(refused, ["transport 372 remote=true "]);
      assert.equal((await fixture.refusals.at(0)).code, "certificate_missing");
      await assertServes(fixture.address);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
}

async function runGoClient(
  program: string,
  folder: string,
  { host, port }: Host,
  { caPem, certificatePem, keyPem }: QuicIdentity,
  requests: readonly unknown[],
  frames: readonly number[],
): Promise<string[]> {
  const fileOf = async (name: string, text: string | undefined) => {
    if (text === undefined) return "-";
    await Deno.writeTextFile(join(folder, name), text);
    return join(folder, name);
  };
  const { stdout, stderr } = await new Deno.Command(program, {
    args: [
      `${host}:${port}`,
      await fileOf("ca", caPem.join("\n")),
      await fileOf("certificate", certificatePem),
      await fileOf("key", keyPem),
      ...requests.flatMap((request, index) => [JSON.stringify(request), String(frames[index])]),
    ],
  }).output();
  const text = new TextDecoder().decode(stdout).replace(/\n$/, "");
  assert.notEqual(text, "", new TextDecoder().decode(stderr));
  return text.split("\n");
}
