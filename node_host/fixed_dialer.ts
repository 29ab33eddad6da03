import type { SessionDialer } from "../transport/session.ts";
import type { DialledSession, NodeDialer } from "./node_dialer.ts";
import type { TransportChoice } from "./transport_choice.ts";

/** Dials over the one transport that was asked for, or that this machine has. */
export class FixedDialer implements NodeDialer {
  readonly #dialer: SessionDialer;
  readonly #choice: TransportChoice;

  constructor(dialer: SessionDialer, choice: TransportChoice) {
    this.#dialer = dialer;
    this.#choice = choice;
  }

  async dial(signal: AbortSignal): Promise<DialledSession> {
    return { session: await this.#dialer.dial(signal), choice: this.#choice };
  }

  improve(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  noteEnd(): boolean {
    return false;
  }
}
