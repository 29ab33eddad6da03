import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { LATE_MS } from "./peer_address.ts";
import { DatagramPeer } from "./testing/datagram_peer.ts";
import { ManualSession } from "./testing/manual_session.ts";
import { PacketForger } from "./testing/packet_forger.ts";
import { type RuntimeFixture, startRuntime } from "./testing/runtime_fixture.ts";

/** What a daemon has to say, in bytes: far more than anybody may be sent who has not asked for it. */
const MUCH = 300_000;

/** How often a test tries at most what has to succeed in the end; each time takes about a millisecond. */
const TRIES = 20_000;

interface Scene {
  readonly fixture: RuntimeFixture;
  readonly session: ManualSession;
  /** For packets that the session's own library would not make. */
  readonly forger: PacketForger;
  /** Where the node is not. */
  readonly elsewhere: DatagramPeer;
}

/** What somebody sends to a daemon from an address, and what comes there. */
class Balance {
  sentBytes = 0;
  receivedBytes = 0;
  readonly #peer: DatagramPeer;

  constructor(peer: DatagramPeer) {
    this.#peer = peer;
  }

  async send(...datagrams: readonly Uint8Array[]): Promise<void> {
    for (const datagram of datagrams) {
      this.#peer.send(datagram);
      this.sentBytes += datagram.length;
    }
    await this.settle();
  }

  async settle(): Promise<void> {
    for (const { length } of await this.#peer.settle()) this.receivedBytes += length;
  }

  assertNoAmplifier(): void {
    const { sentBytes, receivedBytes } = this;
    assert.ok(receivedBytes <= 3 * sentBytes, `${receivedBytes} bytes came for ${sentBytes}`);
  }
}

function test(name: string, limits: { readonly addressProofMs?: number }, body: (scene: Scene) => Promise<void>): void {
  Deno.test(`QuicConnection ${name}`, async () => {
    const keyLog = await Deno.makeTempFile();
    try {
      await using fixture = await startRuntime({ limits });
      await using session = await ManualSession.open(fixture, { keyLog });
      await using elsewhere = await DatagramPeer.open(fixture.address);
      await body({ fixture, session, forger: await PacketForger.of(keyLog), elsewhere });
      assert.equal(fixture.runtime.connectionCount, 1);
    } finally {
      await Deno.remove(keyLog);
    }
  });
}

/** The node pings from home until all that the daemon has said is there. */
async function hearsAll(session: ManualSession, bytes: number): Promise<void> {
  for (let tries = 0; session.receivedBytes < bytes; tries++) {
    assert.ok(tries < TRIES, `only ${session.receivedBytes} bytes came home`);
    session.client.elicit();
    // deno-lint-ignore no-await-in-loop -- one flight after the other
    await session.exchange();
  }
}

test("goes on at the node's address when somebody is quicker with its datagram, and sends that one little", {}, async ({
  session,
  elsewhere,
}) => {
  const home = session.daemon.remoteAddress;
  const stolen = new Balance(elsewhere);
  const datagram = session.client.ping();
  await stolen.send(datagram);
  assert.ok(stolen.receivedBytes > 0, "the daemon follows an authentic datagram");
  session.home.send(datagram);
  session.say(MUCH);
  await hearsAll(session, MUCH);
  await stolen.settle();
  stolen.assertNoAmplifier();
  assert.equal(session.daemon.remoteAddress, home);
});

test("returns to the node's address when the one it followed to never answers, though the node is silent", {
  addressProofMs: 50,
}, async ({ session, elsewhere }) => {
  const stolen = new Balance(elsewhere);
  await stolen.send(session.client.ping());
  const before = session.home.answerCount;
  session.say(100);
  // Nobody sends anything any more.
  await session.home.answers.at(before);
  stolen.assertNoAmplifier();
});

test("is moved neither by garbage from other addresses nor by datagrams that it has seen", {}, async ({
  session,
  elsewhere,
}) => {
  const home = session.daemon.remoteAddress;
  const seen = session.client.ping();
  session.home.send(seen);
  await session.exchange();
  const changed = session.client.ping();
  changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1;
  const noise = new Uint8Array(randomBytes(1_200));
  noise[0] = 0x40;
  noise.set(session.client.daemonId, 1);
  const longNoise = new Uint8Array(noise);
  longNoise.set([0xe0, 0, 0, 0, 1, 8, ...session.client.daemonId, 0]);
  for (const datagram of [seen, changed, seen.subarray(0, 12), noise, noise.subarray(0, 40), longNoise]) {
    elsewhere.send(datagram);
    // deno-lint-ignore no-await-in-loop -- one datagram after the other
    assert.deepEqual(await elsewhere.settle(), []);
  }
  session.say(100);
  assert.deepEqual(await elsewhere.settle(), []);
  await hearsAll(session, 100);
  assert.equal(session.daemon.remoteAddress, home);
});

Deno.test("QuicConnection does not follow a client that takes more connection ids than it is ready to issue", async () => {
  await using fixture = await startRuntime();
  await using session = await ManualSession.open(fixture, { maxIds: 17 });
  await using elsewhere = await DatagramPeer.open(fixture.address);
  elsewhere.send(session.client.ping());
  assert.deepEqual(await elsewhere.settle(), []);
  await hearsAll(session, session.receivedBytes);
});

test("is no amplifier for a device that claims an address and acknowledges what it never saw", {
  addressProofMs: 100,
}, async ({ session, forger, elsewhere }) => {
  const home = session.daemon.remoteAddress;
  const victim = new Balance(elsewhere);
  session.say(MUCH);
  const { daemonId } = session.client;
  // Until it was followed, given up, and followed again.
  const until = performance.now() + 100 + LATE_MS + 100;
  for (let upTo = 0; performance.now() < until; upTo = (upTo + 1) % 0x4000) {
    // deno-lint-ignore no-await-in-loop -- one datagram after the other
    await victim.send(forger.blindAck(daemonId, upTo));
  }
  assert.ok(victim.receivedBytes > 0, "the daemon follows an authentic datagram");
  victim.assertNoAmplifier();
  assert.equal(session.daemon.remoteAddress, home);
});

test("is no amplifier for a device that knows ids which it was given at another address of its own", {}, async ({
  fixture,
  session,
  forger,
  elsewhere,
}) => {
  const home = session.daemon.remoteAddress;
  await using own = await DatagramPeer.open(fixture.address);
  // It reads the new ids there, and proves nothing.
  own.send(session.client.ping());
  const { daemonId } = session.client;
  for (const datagram of await own.settle()) session.client.consume(datagram);
  assert.notDeepEqual(session.client.daemonId, daemonId);
  session.say(MUCH);
  const victim = new Balance(elsewhere);
  for (let count = 0; victim.receivedBytes === 0; count++) {
    assert.ok(count < TRIES, "the daemon follows when the first address has fallen silent");
    // deno-lint-ignore no-await-in-loop -- one datagram after the other
    await victim.send(forger.blindAck(session.client.daemonId, count % 0x4000));
  }
  for (let count = 0; count < 200; count++) {
    // deno-lint-ignore no-await-in-loop -- one datagram after the other
    await victim.send(forger.blindAck(session.client.daemonId, count));
  }
  victim.assertNoAmplifier();
  assert.equal(session.daemon.remoteAddress, home);
});
