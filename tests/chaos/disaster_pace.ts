import type { Chance } from "../harness/chance.ts";
import type { Pace } from "./saboteur.ts";

/**
 * Spreads `disasters` evenly over `requests`: neither runs ahead of the other, so that most requests meet one, however fast
 * the machine is.
 */
export class DisasterPace implements Pace {
  readonly #requests: number;
  readonly #disasters: number;
  readonly #chance: Chance;
  readonly #waiting = new Set<{ readonly holds: () => boolean; readonly resolve: () => void }>();
  #made = 0;
  #begun = 0;

  constructor(requests: number, disasters: number, chance: Chance) {
    this.#requests = requests;
    this.#disasters = disasters;
    this.#chance = chance;
  }

  /** Resolves when request `number`, counted from 0, may be made. */
  async mayMake(number: number): Promise<void> {
    await this.#until(() => this.#begun >= this.#disasters || number < this.#share(this.#begun + 1));
    this.#made = Math.max(this.#made, number + 1);
    this.#wake();
  }

  async due(number: number): Promise<void> {
    // The one before may have counted for two.
    this.begun(number - 1);
    const from = this.#share(number);
    const at = from + this.#chance.below(Math.max(1, this.#share(number + 1) - from));
    await this.#until(() => this.#made >= at);
  }

  begun(number: number): void {
    this.#begun = number + 1;
    this.#wake();
  }

  /** There are no more disasters: requests need not wait. */
  over(): void {
    this.#begun = this.#disasters;
    this.#wake();
  }

  /** Requests made before disaster `number`. */
  #share(number: number): number {
    return Math.floor(this.#requests * number / (this.#disasters + 1));
  }

  async #until(holds: () => boolean): Promise<void> {
    while (!holds()) {
      // deno-lint-ignore no-await-in-loop -- looks again after each change
      await new Promise<void>((resolve) => this.#waiting.add({ holds, resolve }));
    }
  }

  #wake(): void {
    for (const waiter of [...this.#waiting]) {
      if (!waiter.holds()) continue;
      this.#waiting.delete(waiter);
      waiter.resolve();
    }
  }
}
