import { PalyraError } from "../../identity/palyra_error.ts";
import type { Capability } from "./capability.ts";

/** Keeps each capability to the number of runs at once that it declares. */
export class CapabilitySlots {
  readonly #taken = new Map<string, number>();

  /** Takes a place until it is disposed of; throws `queue_full` when the capability has none left. */
  take({ name, maxConcurrency = Infinity }: Pick<Capability, "name" | "maxConcurrency">): Disposable {
    const taken = this.#taken.get(name) ?? 0;
    if (taken >= maxConcurrency) {
      throw new PalyraError(
        "queue_full",
        `${name} runs ${taken} times on this node, the most it may at once; ask again when one of them has ended.`,
      );
    }
    this.#taken.set(name, taken + 1);
    let held = true;
    return {
      [Symbol.dispose]: () => {
        if (held) this.#giveBack(name);
        held = false;
      },
    };
  }

  #giveBack(name: string): void {
    const left = (this.#taken.get(name) ?? 0) - 1;
    if (left > 0) this.#taken.set(name, left);
    else this.#taken.delete(name);
  }
}
