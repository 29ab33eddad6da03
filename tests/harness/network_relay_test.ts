import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { type Endpoint, parseEndpoint } from "../../identity/endpoint.ts";
import { NetworkRelay } from "./network_relay.ts";

/** A UDP socket that keeps what it hears. */
class UdpPeer implements AsyncDisposable {
  readonly #socket = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  readonly #heard: { readonly text: string; readonly from: Deno.NetAddr }[] = [];
  readonly #hearing: Promise<void>;
  #wake = () => {};

  /** With `echo` it answers everything. */
  constructor({ echo }: { readonly echo: boolean }) {
    this.#hearing = this.#hear(echo);
  }

  get endpoint(): Endpoint {
    return { host: "127.0.0.1", port: (this.#socket.addr as Deno.NetAddr).port };
  }

  async send(text: string, to: string): Promise<void> {
    const { host, port } = parseEndpoint(to);
    await this.#socket.send(new TextEncoder().encode(text), { transport: "udp", hostname: host, port });
  }

  /** What comes next, or came already. */
  async next(): Promise<{ readonly text: string; readonly from: Deno.NetAddr }> {
    for (;;) {
      const next = this.#heard.shift();
      if (next !== undefined) return next;
      // deno-lint-ignore no-await-in-loop -- waits for a datagram
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.close();
    await this.#hearing;
  }

  async #hear(echo: boolean): Promise<void> {
    for (;;) {
      // deno-lint-ignore no-await-in-loop -- one datagram after the other
      const [bytes, from] = await this.#socket.receive(new Uint8Array(65_536)).catch(() => []);
      if (bytes === undefined || from?.transport !== "udp") return;
      this.#heard.push({ text: new TextDecoder().decode(bytes), from });
      this.#wake();
      // deno-lint-ignore no-await-in-loop -- one datagram after the other
      if (echo) await this.#socket.send(bytes, from).catch(() => {});
    }
  }
}

/** Sends back every byte of every connection. */
class TcpEcho implements AsyncDisposable {
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #working: Promise<void>[] = [];

  constructor() {
    this.#working.push(this.#accept());
  }

  get endpoint(): Endpoint {
    return { host: "127.0.0.1", port: (this.#listener.addr as Deno.NetAddr).port };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    await Promise.all(this.#working);
  }

  async #accept(): Promise<void> {
    for await (const connection of this.#listener) {
      this.#working.push(connection.readable.pipeTo(connection.writable).catch(() => {}));
    }
  }
}

async function connect(relay: NetworkRelay): Promise<Deno.Conn> {
  const { host, port } = parseEndpoint(relay.endpoint);
  return await Deno.connect({ hostname: host, port });
}

const bytes = (text: string) => new TextEncoder().encode(text);

/** Reads exactly as much as `expected` has. */
async function reads(connection: Deno.Conn, expected: string): Promise<void> {
  const buffer = new Uint8Array(expected.length);
  let at = 0;
  while (at < buffer.length) {
    // deno-lint-ignore no-await-in-loop -- the rest follows
    const length = await connection.read(buffer.subarray(at));
    if (length === null) break;
    at += length;
  }
  assert.equal(new TextDecoder().decode(buffer.subarray(0, at)), expected);
}

async function writes(connection: Deno.Conn, text: string): Promise<void> {
  for (let rest = bytes(text); rest.length > 0;) {
    // deno-lint-ignore no-await-in-loop -- the rest follows
    rest = rest.subarray(await connection.write(rest));
  }
}

/** Waits for what only the relay can see. */
async function until(isSo: () => boolean): Promise<void> {
  // deno-lint-ignore no-await-in-loop -- asks until it is so
  while (!isSo()) await delay(1);
}

Deno.test("NetworkRelay passes datagrams to the target and back, large ones whole, each client by a port of its own", async () => {
  await using echo = new UdpPeer({ echo: true });
  await using relay = await NetworkRelay.start(echo.endpoint);
  await using alice = new UdpPeer({ echo: false });
  await using bob = new UdpPeer({ echo: false });
  const large = "x".repeat(9_000);
  await alice.send(large, relay.endpoint);
  assert.equal((await alice.next()).text, large);
  await bob.send("b", relay.endpoint);
  const answer = await bob.next();
  assert.equal(answer.text, "b");
  assert.equal(answer.from.port, parseEndpoint(relay.endpoint).port);

  const sources = [await echo.next(), await echo.next()].map(({ from }) => from.port);
  assert.deepEqual(relay.sourcePorts, sources);
  assert.notEqual(sources[0], sources[1]);
  const { flows, toTarget, toClient } = relay.counters;
  assert.deepEqual({ flows, to: toTarget.delivered, from: toClient.delivered }, { flows: 2, to: 2, from: 2 });
});

Deno.test("NetworkRelay lets in only datagrams of the target", async () => {
  await using echo = new UdpPeer({ echo: true });
  await using relay = await NetworkRelay.start(echo.endpoint);
  await using client = new UdpPeer({ echo: false });
  await using stranger = new UdpPeer({ echo: false });
  await client.send("one", relay.endpoint);
  await client.next();
  await stranger.send("intruder", `127.0.0.1:${relay.sourcePorts[0]}`);
  await client.send("two", relay.endpoint);
  assert.equal((await client.next()).text, "two");
});

Deno.test("NetworkRelay.shape() changes one direction or both while it runs", async () => {
  await using echo = new UdpPeer({ echo: true });
  await using relay = await NetworkRelay.start(echo.endpoint, { conditions: { delayMs: 5 } });
  await using client = new UdpPeer({ echo: false });
  const sentAt = performance.now();
  relay.shape({ duplication: 1 }, "toTarget");
  await client.send("a", relay.endpoint);
  await client.send("b", relay.endpoint);
  const answers = [await client.next(), await client.next(), await client.next(), await client.next()];
  assert.deepEqual(answers.map(({ text }) => text), ["a", "a", "b", "b"]);
  assert.ok(performance.now() - sentAt >= 10, "the delay of the start applies both ways");

  relay.shape({ duplication: 0, delayMs: 0 });
  relay.shape({ loss: 1 }, "toClient");
  await client.send("lost", relay.endpoint);
  await until(() => relay.counters.toClient.lost === 1);
  relay.shape({ loss: 0 }, "toClient");
  await client.send("c", relay.endpoint);
  assert.equal((await client.next()).text, "c");
  assert.equal(relay.counters.toTarget.lost, 0);
});

Deno.test("NetworkRelay.blockUdp() drops datagrams in silence, and unblockUdp() ends it", async () => {
  await using echo = new UdpPeer({ echo: true });
  await using relay = await NetworkRelay.start(echo.endpoint);
  await using client = new UdpPeer({ echo: false });
  relay.blockUdp();
  await client.send("lost", relay.endpoint);
  await until(() => relay.counters.toTarget.blocked === 1);
  relay.unblockUdp();
  await client.send("heard", relay.endpoint);
  assert.equal((await client.next()).text, "heard");
});

Deno.test("NetworkRelay.rebind() gives each flow a fresh port, and the old one hears nothing any more", async () => {
  await using echo = new UdpPeer({ echo: false });
  await using relay = await NetworkRelay.start(echo.endpoint);
  await using client = new UdpPeer({ echo: false });
  await client.send("before", relay.endpoint);
  const before = await echo.next();
  relay.rebind();
  await client.send("after", relay.endpoint);
  const after = await echo.next();
  assert.notEqual(after.from.port, before.from.port);
  assert.deepEqual(relay.sourcePorts, [after.from.port]);
  assert.deepEqual({ flows: relay.counters.flows, rebinds: relay.counters.rebinds }, { flows: 1, rebinds: 1 });

  await echo.send("to the old port", `127.0.0.1:${before.from.port}`);
  await echo.send("to the new port", `127.0.0.1:${after.from.port}`);
  assert.equal((await client.next()).text, "to the new port");
});

Deno.test("NetworkRelay passes TCP on byte for byte, ends of streams included", async () => {
  await using echo = new TcpEcho();
  await using relay = await NetworkRelay.start(echo.endpoint);
  using connection = await connect(relay);
  const text = "abc".repeat(100_000);
  const sending = writes(connection, text).then(() => connection.closeWrite());
  await reads(connection, text);
  await sending;
  assert.equal(await connection.read(new Uint8Array(1)), null);
  assert.equal(relay.counters.connections, 1);
});

Deno.test("NetworkRelay holds TCP back while it is stalled, and loses nothing", async () => {
  await using echo = new TcpEcho();
  await using relay = await NetworkRelay.start(echo.endpoint);
  using connection = await connect(relay);
  await connection.write(bytes("one"));
  await reads(connection, "one");
  relay.tcp = "stalled";
  await connection.write(bytes("two"));
  let isOpen = false;
  const answer = reads(connection, "two").then(() => assert.ok(isOpen, "it came while the relay was stalled"));
  // Through another relay bytes go there and back meanwhile, as the first one's would have.
  await using passing = await NetworkRelay.start(echo.endpoint);
  using other = await connect(passing);
  await other.write(bytes("three"));
  await reads(other, "three");
  isOpen = true;
  relay.tcp = "open";
  await answer;
});

Deno.test("NetworkRelay cuts TCP off, new connections too, until it is open again; UDP goes on", async () => {
  await using udp = new UdpPeer({ echo: true });
  await using relay = await NetworkRelay.start(udp.endpoint);
  await using client = new UdpPeer({ echo: false });
  await using echo = new TcpEcho();
  await using tcpRelay = await NetworkRelay.start(echo.endpoint);
  using connection = await connect(tcpRelay);
  await connection.write(bytes("one"));
  await reads(connection, "one");

  tcpRelay.tcp = relay.tcp = "cut";
  assert.equal(await connection.read(new Uint8Array(1)).catch(() => null), null);
  using refused = await connect(tcpRelay);
  assert.equal(await refused.read(new Uint8Array(1)).catch(() => null), null);
  assert.equal(tcpRelay.counters.connections, 1, "and never reached the target");
  await client.send("still", relay.endpoint);
  assert.equal((await client.next()).text, "still");

  tcpRelay.tcp = "open";
  using again = await connect(tcpRelay);
  await again.write(bytes("two"));
  await reads(again, "two");
});

Deno.test("NetworkRelay closes what is open and under way when it is disposed", async () => {
  await using echo = new UdpPeer({ echo: true });
  await using client = new UdpPeer({ echo: false });
  let endpoint: string;
  {
    await using relay = await NetworkRelay.start(echo.endpoint, { conditions: { delayMs: 60_000 } });
    endpoint = relay.endpoint;
    await client.send("never arrives", endpoint);
    await until(() => relay.counters.toTarget.taken === 1);
  }
  // Both protocols' sockets are gone; the sanitizers see to timers and the rest.
  const { host: hostname, port } = parseEndpoint(endpoint);
  await assert.rejects(Deno.connect({ hostname, port }), Deno.errors.ConnectionRefused);
  Deno.listenDatagram({ transport: "udp", hostname, port }).close();
});
