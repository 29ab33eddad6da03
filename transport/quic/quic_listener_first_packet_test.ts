import assert from "node:assert/strict";
import { quiche } from "./quiche_addon.ts";
import { DatagramPeer, isVersionNegotiation, longHeader, NO_VERSION } from "./testing/datagram_peer.ts";
import { clientIdentity } from "./testing/identities.ts";
import { ManualClient } from "./testing/manual_client.ts";
import { assertServes, type RuntimeFixture, startRuntime } from "./testing/runtime_fixture.ts";

const CLIENT_ID = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
const DAEMON_ID = Uint8Array.of(9, 10, 11, 12, 13, 14, 15, 16);
const IDS = { destinationId: DAEMON_ID, sourceId: CLIENT_ID };
const RETRY_PACKET = 1;

interface Scene {
  readonly fixture: RuntimeFixture;
  readonly peer: DatagramPeer;
  readonly client: ManualClient;
}

/** Registers a test with a client whose packets are sent by hand. After it nothing is kept, and a lawful client is served. */
function test(name: string, body: (scene: Scene) => Promise<void>): void {
  Deno.test(`QuicListener ${name}`, async () => {
    await using fixture = await startRuntime();
    await using peer = await DatagramPeer.open(fixture.address);
    await body({ fixture, peer, client: new ManualClient(fixture.address, await clientIdentity()) });
    assert.deepEqual(fixture.refusals.items, []);
    await assertServes(fixture.address);
  });
}

/** Sends the client's first packet and gives it the Retry; what it sends next has the token. */
async function retried({ peer, client }: Scene): Promise<Uint8Array> {
  peer.send(client.produceOne());
  const [retry] = await peer.settle();
  assert.ok(retry !== undefined);
  assert.equal(quiche().Header.fromSlice(retry, 8).ty, RETRY_PACKET);
  client.consume(retry);
  return client.produceOne();
}

function assertNothingKept({ fixture }: Scene): void {
  assert.equal(fixture.runtime.counters.held, 0);
}

test("answers a version that it does not speak with the one that it does", async ({ peer, fixture }) => {
  peer.send(longHeader({ ...IDS, version: NO_VERSION, type: 0 }, 1_200));
  const [answer] = await peer.settle();
  assert.ok(answer !== undefined);
  assert.ok(isVersionNegotiation(answer, CLIENT_ID));
  assert.equal(answer.subarray(14, 23).toHex(), Uint8Array.of(8, ...DAEMON_ID).toHex());
  const versions = new DataView(answer.slice(23).buffer);
  const offered = Array.from({ length: versions.byteLength / 4 }, (_, index) => versions.getUint32(index * 4));
  assert.ok(offered.includes(1), `${offered}`);
  assert.equal(fixture.runtime.counters.held, 0);
});

const IGNORED = [
  ["a Version Negotiation packet", longHeader({ ...IDS, version: 0, type: 0 }, 1_203)],
  ["an unknown version in fewer than 1,200 bytes", longHeader({ ...IDS, version: NO_VERSION, type: 0 }, 1_199)],
  ["a 0-RTT packet", longHeader({ ...IDS, version: 1, type: 1 }, 1_200)],
  ["a Handshake packet", longHeader({ ...IDS, version: 1, type: 2 }, 1_200)],
  ["a Retry packet", longHeader({ ...IDS, version: 1, type: 3 }, 1_200)],
  ["an Initial packet with a connection id of 255 bytes", oversizedId()],
  ["zeros", new Uint8Array(1_200)],
  ["ones", new Uint8Array(1_200).fill(0xff)],
  ["nothing at all", new Uint8Array()],
  ["one byte of a long header", Uint8Array.of(0xc0)],
  ["a short header and nothing more", Uint8Array.of(0x40)],
] as const;

for (const [what, datagram] of IGNORED) {
  test(`does not answer ${what}`, async (scene) => {
    scene.peer.send(datagram);
    assert.deepEqual(withoutResets(await scene.peer.settle()), []);
    assertNothingKept(scene);
  });
}

test("does not answer an Initial packet in fewer than 1,200 bytes", async (scene) => {
  scene.peer.send(scene.client.produceOne().subarray(0, 1_199));
  assert.deepEqual(await scene.peer.settle(), []);
  assertNothingKept(scene);
});

test("answers the first Initial packet with a Retry alone and keeps nothing", async (scene) => {
  const first = scene.client.produceOne();
  scene.peer.send(first);
  scene.peer.send(first);
  const answers = await scene.peer.settle();
  assert.deepEqual(answers.map((answer) => quiche().Header.fromSlice(answer, 8).ty), [RETRY_PACKET, RETRY_PACKET]);
  // Never more than was received.
  assert.ok(answers.every((answer) => answer.length < first.length));
  assertNothingKept(scene);
});

test("takes a token from the address it was given to", async (scene) => {
  scene.peer.send(await retried(scene));
  assert.notDeepEqual(await scene.peer.settle(), []);
  assert.equal(scene.fixture.runtime.counters.held, 1);
});

test("does not answer a token from another address", async (scene) => {
  const second = await retried(scene);
  await using elsewhere = await DatagramPeer.open(scene.fixture.address);
  elsewhere.send(second);
  assert.deepEqual(await elsewhere.settle(), []);
  assert.deepEqual(await scene.peer.settle(), []);
  assertNothingKept(scene);
  // It is not spent by that.
  scene.peer.send(second);
  assert.notDeepEqual(await scene.peer.settle(), []);
});

test("does not answer a token under another connection id", async (scene) => {
  const second = await retried(scene);
  second[6] = (second[6] ?? 0) ^ 1;
  scene.peer.send(second);
  assert.deepEqual(await scene.peer.settle(), []);
  assertNothingKept(scene);
});

test("does not answer a token that was altered, cut off or made up", async (scene) => {
  const second = await retried(scene);
  const { token } = quiche().Header.fromSlice(second, 8);
  assert.ok(token !== undefined);
  const at = indexOf(second, token);
  for (let index = 0; index < token.length; index++) {
    const altered = second.slice();
    altered[at + index] = (altered[at + index] ?? 0) ^ 0x10;
    scene.peer.send(altered);
  }
  const zeros = second.slice();
  zeros.fill(0, at, at + token.length);
  scene.peer.send(zeros);
  const short = second.slice();
  // The length of the token stands in one byte before it.
  short[at - 1] = 1;
  scene.peer.send(short);
  assert.deepEqual(await scene.peer.settle(), []);
  assertNothingKept(scene);
});

/** Goes on with the handshake until both sides are through with it. */
async function completed({ peer, client }: Scene, second: Uint8Array): Promise<void> {
  peer.send(second);
  while (!client.isEstablished) {
    for (const datagram of await peer.settle()) client.consume(datagram);
    for (const datagram of client.produce()) peer.send(datagram);
  }
  await peer.settle();
}

test("makes nothing of a replayed Initial packet, while its connection lives and when it is over", async (scene) => {
  const { peer, client, fixture } = scene;
  const second = await retried(scene);
  await completed(scene, second);
  assert.equal(fixture.runtime.connectionCount, 1);
  peer.send(second);
  await peer.settle();
  assert.deepEqual([fixture.runtime.counters.held, fixture.runtime.counters.accepted], [1, 1]);
  client.close();
  for (const datagram of client.produce()) peer.send(datagram);
  // deno-lint-ignore no-await-in-loop -- the connection is forgotten a moment after its end
  while (fixture.runtime.counters.held > 0) await peer.settle();
  peer.send(second);
  assert.deepEqual(await peer.settle(), []);
  assert.deepEqual([fixture.runtime.counters.held, fixture.runtime.counters.accepted], [0, 1]);
});

test("sends nothing to an address from which another's packets are replayed during its handshake", async (scene) => {
  const second = await retried(scene);
  scene.peer.send(second);
  await using elsewhere = await DatagramPeer.open(scene.fixture.address);
  elsewhere.send(second);
  assert.deepEqual(await elsewhere.settle(), []);
  assert.equal(scene.fixture.runtime.counters.held, 1);
  // The true client is served all the same.
  await completed(scene, second);
  assert.equal(scene.fixture.runtime.connectionCount, 1);
  assert.deepEqual(await elsewhere.settle(), []);
});

test("sends nothing worth having to an address from which another's packets are replayed afterwards", async (scene) => {
  const { peer, client, fixture } = scene;
  await completed(scene, await retried(scene));
  const sent = client.ping();
  peer.send(sent);
  await peer.settle();
  await using elsewhere = await DatagramPeer.open(fixture.address);
  for (let count = 0; count < 10; count++) elsewhere.send(sent);
  assert.deepEqual(await elsewhere.settle(), []);
  // A packet of a connection that nobody has gets a stateless reset, shorter than itself.
  const unknown = sent.slice();
  unknown.fill(0xee, 1, 9);
  elsewhere.send(unknown);
  const answers = await elsewhere.settle();
  assert.equal(answers.length, 1);
  assert.ok((answers[0]?.length ?? Infinity) < unknown.length);
  assert.equal(fixture.runtime.connectionCount, 1);
});

/** Answers that are no stateless resets, which any packet with a short header may get (RFC 9000, section 10.3). */
function withoutResets(answers: readonly Uint8Array[]): Uint8Array[] {
  return answers.filter((answer) => ((answer[0] ?? 0) & 0x80) !== 0);
}

function oversizedId(): Uint8Array {
  const datagram = new Uint8Array(1_200).fill(7);
  datagram.set([0xc0, 0, 0, 0, 1, 255]);
  return datagram;
}

function indexOf(bytes: Uint8Array, part: Uint8Array): number {
  const at = bytes.toHex().indexOf(part.toHex());
  assert.equal(at % 2, 0);
  return at / 2;
}
