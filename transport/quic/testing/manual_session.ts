import { NodeEventResponse } from "../../../proto/gen/node.ts";
import type { DaemonSession } from "../../session.ts";
import { requestFrame } from "./asked_stream.ts";
import { DatagramPeer } from "./datagram_peer.ts";
import { clientIdentity } from "./identities.ts";
import { ManualClient, type ManualClientOptions } from "./manual_client.ts";
import type { RuntimeFixture } from "./runtime_fixture.ts";

/** The session's stream. */
const STREAM = 0;

/** A node's session whose datagrams pass through the hands of a test. */
export class ManualSession implements AsyncDisposable {
  /** The daemon's end. */
  readonly daemon: DaemonSession;
  readonly client: ManualClient;
  /** Where the node is. */
  readonly home: DatagramPeer;
  #receivedBytes = 0;

  private constructor(daemon: DaemonSession, client: ManualClient, home: DatagramPeer) {
    this.daemon = daemon;
    this.client = client;
    this.home = home;
  }

  /** Connects and opens a session, the first on `fixture`. */
  static async open(fixture: RuntimeFixture, options?: ManualClientOptions): Promise<ManualSession> {
    const home = await DatagramPeer.open(fixture.address);
    const client = new ManualClient(fixture.address, await clientIdentity(), options);
    // deno-lint-ignore no-await-in-loop -- one flight after the other
    while (!client.isEstablished) await exchange(client, home);
    client.write(STREAM, requestFrame("node.open_session"));
    // deno-lint-ignore no-await-in-loop -- one flight after the other
    while (fixture.sessions.items.length === 0) await exchange(client, home);
    const daemon = await fixture.sessions.at(0);
    daemon.onMessage = () => {};
    const session = new ManualSession(daemon, client, home);
    // Until neither side has anything to say any more.
    // deno-lint-ignore no-await-in-loop -- one flight after the other
    while (await session.exchange() > 0);
    return session;
  }

  /** Bytes of the session that have come to the node. */
  get receivedBytes(): number {
    return this.#receivedBytes;
  }

  /**
   * Sends what the node has to send from an address, and gives it what comes back to that. Returns how many datagrams that
   * were, both ways together.
   */
  async exchange(at: DatagramPeer = this.home): Promise<number> {
    const count = await exchange(this.client, at);
    this.#receivedBytes += this.client.read(STREAM);
    return count;
  }

  /** Has the daemon say something of more than `bytes`. */
  say(bytes: number): void {
    this.daemon.send(NodeEventResponse.create({ v: 1, reason: "x".repeat(bytes) }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.home[Symbol.asyncDispose]();
  }
}

async function exchange(client: ManualClient, at: DatagramPeer): Promise<number> {
  const sent = client.produce();
  for (const datagram of sent) at.send(datagram);
  const received = await at.settle();
  for (const datagram of received) client.consume(datagram);
  return sent.length + received.length;
}
