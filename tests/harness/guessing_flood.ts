import { parseEndpoint } from "../../identity/endpoint.ts";
import { PalyraError } from "../../identity/palyra_error.ts";
import type { EnrolmentConnection } from "../../node_host/enrolment_connection.ts";
import { PairingDevice } from "./pairing_device.ts";
import { SourceRelay } from "./source_relay.ts";

/** Guesses that one attacker has under way at once: as many calls as a connection may carry. */
const GUESSES_AT_ONCE = 8;

/** Guesses from one address before an attacker that has many goes on to the next. */
const GUESSES_PER_ADDRESS = 12;

/** How a {@linkcode GuessingFlood} attacks. */
export interface FloodOptions {
  /** The enrolment listener, `host:port`. */
  readonly target: string;
  /** What is guessed: never right. */
  readonly guess: () => string;
  readonly attackers: number;
  /** The address of an attacker, or the next one where it has ever new ones. */
  readonly addressOf: (attacker: number) => string;
  /** Each attacker takes another address after a few guesses. */
  readonly everNew: boolean;
}

/** Many attackers that guess PINs, each over real connections from an address of its own, as fast as they can. */
export class GuessingFlood implements AsyncDisposable {
  /** What the guesses led to, by reason code. */
  readonly outcomes = new Map<string, number>();
  readonly #options: FloodOptions;
  readonly #stop = new AbortController();
  readonly #running: Promise<unknown>;
  readonly #turnedAway = new Set<number>();
  readonly #waiters = new Set<() => void>();

  private constructor(options: FloodOptions) {
    this.#options = options;
    this.#running = Promise.all(Array.from({ length: options.attackers }, (_, attacker) => this.#attack(attacker)));
  }

  static start(options: FloodOptions): GuessingFlood {
    return new GuessingFlood(options);
  }

  /** Guesses so far. */
  get guesses(): number {
    return [...this.outcomes.values()].reduce((sum, count) => sum + count, 0);
  }

  /** Resolves when every attacker has been turned away at least once without its guess being looked at. */
  async allTurnedAway(): Promise<void> {
    while (this.#turnedAway.size < this.#options.attackers) {
      // deno-lint-ignore no-await-in-loop -- looks again after each guess
      await new Promise<void>((resolve) => this.#waiters.add(resolve));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #attack(attacker: number): Promise<void> {
    const { target, addressOf, everNew } = this.#options;
    await using relay = await SourceRelay.start(parseEndpoint(target), () => addressOf(attacker));
    const device = await PairingDevice.create();
    while (!this.#stop.signal.aborted) {
      try {
        // deno-lint-ignore no-await-in-loop -- one connection after the other
        using connection = await device.connect(relay.address);
        const rounds = everNew ? Math.ceil(GUESSES_PER_ADDRESS / GUESSES_AT_ONCE) : Infinity;
        const lanes = Array.from({ length: GUESSES_AT_ONCE }, () => this.#lane(attacker, device, connection, rounds));
        // deno-lint-ignore no-await-in-loop -- one connection after the other
        await Promise.all(lanes);
      } catch (thrown) {
        this.#count(attacker, PalyraError.from(thrown).code);
      }
    }
  }

  async #lane(attacker: number, device: PairingDevice, connection: EnrolmentConnection, rounds: number): Promise<void> {
    for (let round = 0; round < rounds && !this.#stop.signal.aborted; round++) {
      // deno-lint-ignore no-await-in-loop -- one guess after the other
      const code = await this.#tryOnce(device, connection);
      this.#count(attacker, code);
      if (code === "connection_lost" || code === "daemon_unreachable") return;
    }
  }

  async #tryOnce(device: PairingDevice, connection: EnrolmentConnection): Promise<string> {
    try {
      const { request } = await device.answer(connection, this.#options.guess());
      await connection.complete(request);
      return "let in";
    } catch (thrown) {
      return PalyraError.from(thrown).code;
    }
  }

  #count(attacker: number, code: string): void {
    this.outcomes.set(code, (this.outcomes.get(code) ?? 0) + 1);
    if (code === "rate_limited") this.#turnedAway.add(attacker);
    for (const wake of this.#waiters) wake();
    this.#waiters.clear();
  }
}
