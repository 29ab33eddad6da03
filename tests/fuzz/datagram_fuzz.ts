import { Chance } from "../harness/chance.ts";
import { type Conversation, readCorpus } from "./datagram_corpus.ts";
import { mutate } from "./datagram_mutation.ts";
import type { FireOptions, FuzzBench } from "./fuzz_bench.ts";
import { helloInitial, helloOf, hostileInitial, type InitialAddress } from "./hostile_initial.ts";
import { openInitial } from "./initial_packet.ts";
import type { Receiver } from "./live_tap.ts";
import type { MemoryReport } from "./memory_samples.ts";
import { Stranger } from "./stranger.ts";

/** So many datagrams fit into the receive buffer of a socket, however large they are. */
const BATCH = 24;

/** Where the strangers send from: this machine has these addresses for itself. */
const ADDRESSES = ["127.0.0.1", "127.0.0.1", "127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4"];

/** What a run did. */
export interface DatagramReport {
  /** To the daemon. */
  readonly sent: number;
  /** To the node, as if from the daemon. */
  readonly sentToNode: number;
  /** What the daemon said to strangers. */
  readonly answers: number;
  readonly kinds: number;
  readonly seconds: number;
  readonly memory: MemoryReport;
}

/** A ClientHello and the connection id that is part of it. */
interface Hello {
  readonly bytes: Uint8Array;
  readonly sourceId: Uint8Array;
}

/** One thing to send, and from where. */
interface Shot {
  readonly kind: string;
  readonly datagrams: readonly Uint8Array[];
  readonly send: (datagram: Uint8Array) => Promise<void>;
  readonly receiver: Receiver;
}

/** Fires `count` hostile datagrams at the daemon while its node works; throws when either of them suffers. */
export async function fuzzDatagrams(
  bench: FuzzBench,
  { seed, count, log }: FireOptions,
): Promise<DatagramReport> {
  const daemon: Deno.NetAddr = { transport: "udp", hostname: bench.daemon.host, port: bench.daemon.port };
  await using stack = new AsyncDisposableStack();
  const strangers = ADDRESSES.map((address) => stack.use(Stranger.bind(address, daemon)));
  const gun = new Gun(new Chance(seed), strangers, bench, await readCorpus());
  const from = performance.now();
  const sent = { daemon: 0, node: 0 };
  const kinds = new Set<string>();
  while (sent.daemon < count) {
    for (let batch = Math.min(BATCH, count - sent.daemon); batch > 0;) {
      const { kind, datagrams, send, receiver } = gun.next();
      kinds.add(kind);
      for (const datagram of datagrams) {
        log.remember(kind, datagram);
        // deno-lint-ignore no-await-in-loop -- in order
        await send(datagram);
        sent[receiver]++;
        if (receiver === "daemon") batch--;
      }
    }
    // deno-lint-ignore no-await-in-loop -- no faster than the daemon takes them
    await gun.probe();
    bench.assertServing();
  }
  return {
    sent: sent.daemon,
    sentToNode: sent.node,
    answers: strangers.reduce((total, { answers }) => total + answers, 0),
    kinds: kinds.size,
    seconds: (performance.now() - from) / 1_000,
    memory: bench.memory.report(from),
  };
}

/** Decides what is sent next. */
class Gun {
  readonly #chance: Chance;
  readonly #strangers: readonly Stranger[];
  readonly #bench: FuzzBench;
  readonly #corpus: readonly Conversation[];
  readonly #hellos: readonly Hello[];

  constructor(chance: Chance, strangers: readonly Stranger[], bench: FuzzBench, corpus: readonly Conversation[]) {
    this.#chance = chance;
    this.#strangers = strangers;
    this.#bench = bench;
    this.#corpus = corpus;
    this.#hellos = corpus.flat().flatMap(readHello);
  }

  /** Waits until the daemon has looked at everything that was sent. */
  async probe(): Promise<void> {
    await this.#chance.one(this.#strangers).probe(this.#chance);
  }

  next(): Shot {
    const chance = this.#chance;
    const { tap } = this.#bench;
    const stranger = chance.one(this.#strangers);
    const send = (datagram: Uint8Array) => stranger.send(datagram);
    if (chance.oneIn(3)) return { ...this.#sealed(stranger), send, receiver: "daemon" };
    // What the node and the daemon say to each other now: their connection ids are the ones in use.
    const live = [tap.recent("daemon"), tap.recent("node")].filter(({ length }) => length > 0);
    const mutation = mutate(chance, chance.oneIn(2) ? [...this.#corpus, ...live] : live);
    if (!chance.oneIn(4)) return { ...mutation, send, receiver: "daemon" };
    const receiver = chance.oneIn(3) ? "node" : "daemon";
    return { ...mutation, send: (datagram) => tap.inject(receiver, datagram), receiver };
  }

  /** A packet that the daemon can decrypt: the first of a connection, or one with a token that it gave to somebody. */
  #sealed(stranger: Stranger): Pick<Shot, "kind" | "datagrams"> {
    const chance = this.#chance;
    const hello = chance.one(this.#hellos);
    const source = chance.oneIn(4) ? chance.one(this.#strangers) : stranger;
    if (source.retries.length === 0 || chance.oneIn(4)) {
      const destinationId = chance.bytes(chance.between(8, 20));
      const knock = { destinationId, sourceId: hello.sourceId, token: new Uint8Array(0) };
      return { kind: "sealed.knock", datagrams: [helloInitial(hello.bytes, knock)] };
    }
    const invited: InitialAddress = chance.one(source.retries);
    const address = chance.oneIn(10)
      ? { ...invited, destinationId: chance.bytes(invited.destinationId.length) }
      : invited;
    const packets = Array.from({ length: chance.between(1, 4) }, () => hostileInitial(chance, hello.bytes, address));
    return { kind: source === stranger ? "sealed.hostile" : "sealed.stolen", datagrams: packets };
  }
}

function readHello(datagram: Uint8Array): Hello[] {
  const initial = openInitial(datagram);
  const bytes = initial && helloOf(initial.payload);
  return bytes === undefined ? [] : [{ bytes, sourceId: initial?.sourceId ?? new Uint8Array(0) }];
}
