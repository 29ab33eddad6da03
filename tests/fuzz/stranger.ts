import type { Chance } from "../harness/chance.ts";
import type { InitialAddress } from "./hostile_initial.ts";
import { LONG_TYPE, readLongHeader } from "./long_header.ts";

/** A version that nobody speaks, reserved to exercise version negotiation (RFC 9000, section 15). */
const NO_VERSION = 0x0a1a2a3a;

/** How long an answer may take before the question is asked again, in milliseconds, and how often it is asked. */
const PROBE_MS = 2_000;
const PROBES = 5;

/** Retry packets that are remembered, the newest. */
const KEPT_RETRIES = 16;

/** Somebody at a UDP port of his own who sends what he likes to the daemon. */
export class Stranger implements AsyncDisposable {
  readonly #socket: Deno.DatagramConn;
  readonly #daemon: Deno.NetAddr;
  readonly #hearing: Promise<void>;
  readonly #probes = new Map<string, () => void>();
  /** Where the daemon invited this address to come back to, and with which token. */
  readonly retries: InitialAddress[] = [];
  #answers = 0;

  private constructor(socket: Deno.DatagramConn, daemon: Deno.NetAddr) {
    this.#socket = socket;
    this.#daemon = daemon;
    this.#hearing = this.#hear();
  }

  /** Binds a port on `hostname`; on 127.0.0.1 where the system has only that address for itself. */
  static bind(hostname: string, daemon: Deno.NetAddr): Stranger {
    const bind = (host: string) => Deno.listenDatagram({ transport: "udp", hostname: host, port: 0 });
    try {
      return new Stranger(bind(hostname), daemon);
    } catch {
      return new Stranger(bind("127.0.0.1"), daemon);
    }
  }

  /** Datagrams that came back. */
  get answers(): number {
    return this.#answers;
  }

  /** What the system does not take is lost. */
  async send(datagram: Uint8Array): Promise<void> {
    await this.#socket.send(datagram, this.#daemon).catch(() => {});
  }

  /**
   * Asks the daemon for the versions it speaks. The answer comes after everything that was sent before has been looked
   * at, so it also keeps a sender from being faster than the daemon. Rejects when there is none.
   */
  async probe(chance: Chance): Promise<void> {
    const question = new Uint8Array(1_200);
    question[0] = 0xc0;
    new DataView(question.buffer).setUint32(1, NO_VERSION);
    const [destinationId, sourceId] = [chance.bytes(8), chance.bytes(8)];
    question.set([destinationId.length, ...destinationId, sourceId.length, ...sourceId], 5);
    const answered = Promise.withResolvers<boolean>();
    this.#probes.set(sourceId.toHex(), () => answered.resolve(true));
    try {
      for (let tries = 0; tries < PROBES; tries++) {
        // deno-lint-ignore no-await-in-loop -- asked again only when nothing came
        await this.send(question);
        // deno-lint-ignore no-await-in-loop -- asked again only when nothing came
        if (await within(PROBE_MS, answered.promise)) return;
      }
    } finally {
      this.#probes.delete(sourceId.toHex());
    }
    throw new Error(`the daemon did not answer ${PROBES} questions for its versions in ${PROBES * PROBE_MS} ms`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.close();
    await this.#hearing;
  }

  async #hear(): Promise<void> {
    const buffer = new Uint8Array(65_536);
    for (;;) {
      // deno-lint-ignore no-await-in-loop -- one datagram after the other
      const received = await this.#socket.receive(buffer).catch((error) => {
        if (error instanceof Deno.errors.BadResource || error instanceof Deno.errors.Interrupted) return undefined;
        throw error;
      });
      if (received === undefined) return;
      this.#answers++;
      this.#take(received[0].slice());
    }
  }

  #take(datagram: Uint8Array): void {
    const isLong = datagram.length > 6 && (datagram[0] ?? 0) >= 0x80;
    if (isLong && new DataView(datagram.buffer).getUint32(1) === 0) {
      const ids = datagram.subarray(5);
      this.#probes.get(ids.subarray(1, 1 + (ids[0] ?? 0)).toHex())?.();
      return;
    }
    const header = readLongHeader(datagram);
    if (header?.type !== LONG_TYPE.retry || header.token === undefined) return;
    const { sourceId, destinationId, token } = header;
    this.retries.push({ destinationId: sourceId.bytes, sourceId: destinationId.bytes, token: token.bytes });
    if (this.retries.length > KEPT_RETRIES) this.retries.shift();
  }
}

/** Whether `event` comes within `ms` milliseconds. */
async function within(ms: number, event: Promise<boolean>): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<boolean>((resolve) => timer = setTimeout(() => resolve(false), ms));
  try {
    return await Promise.race([event, late]);
  } finally {
    clearTimeout(timer);
  }
}
