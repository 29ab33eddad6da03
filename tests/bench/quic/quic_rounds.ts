import { QUIC_IMPLEMENTATIONS, type QuicImplementation } from "./quic_implementation.ts";
import { QuicPair } from "./quic_pair.ts";
import type { QuicMaterial } from "./quic_peer.ts";
import type { QuicResult } from "./quic_result.ts";
import { type QuicReport, type QuicWorkload, UPLOAD_BYTES } from "./quic_workload.ts";

const MIB = 1024 * 1024;

/** The rounds of a workload, with one pair of processes for each implementation. */
export class QuicRounds implements AsyncDisposable {
  readonly #material: QuicMaterial;
  readonly #pairs = new Map<QuicImplementation, QuicPair>();

  constructor(material: QuicMaterial) {
    this.#material = material;
  }

  /** Warms each implementation up and measures them in turn. One that hangs or dies gets no further round of this. */
  async run(
    workload: QuicWorkload,
    { rounds, roundMs, warmUpMs }: { readonly rounds: number; readonly roundMs: number; readonly warmUpMs: number },
  ): Promise<Map<QuicImplementation, QuicResult>> {
    const results = new Map<QuicImplementation, QuicResult>();
    for (let round = -1; round < rounds; round++) {
      for (const implementation of QUIC_IMPLEMENTATIONS) {
        const { rates, failure } = results.get(implementation) ?? { rates: [] };
        if (failure !== undefined) continue;
        try {
          // deno-lint-ignore no-await-in-loop -- one after the other, so that none disturbs another
          const rate = rateOf(workload, await this.#measure(implementation, workload, round < 0 ? warmUpMs : roundMs));
          results.set(implementation, { rates: round < 0 ? [] : [...rates, rate] });
        } catch (error) {
          results.set(implementation, { rates, failure: error instanceof Error ? error.message : String(error) });
          // deno-lint-ignore no-await-in-loop -- the next one shall find the machine free
          await this.#end(implementation);
        }
      }
    }
    return results;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(QUIC_IMPLEMENTATIONS.map((implementation) => this.#end(implementation)));
  }

  async #measure(implementation: QuicImplementation, workload: QuicWorkload, durationMs: number): Promise<QuicReport> {
    let pair = this.#pairs.get(implementation);
    if (pair === undefined) {
      pair = await QuicPair.start(implementation, this.#material);
      this.#pairs.set(implementation, pair);
    }
    return await pair.measure({ workload, durationMs });
  }

  async #end(implementation: QuicImplementation): Promise<void> {
    const pair = this.#pairs.get(implementation);
    this.#pairs.delete(implementation);
    await pair?.[Symbol.asyncDispose]();
  }
}

function rateOf({ kind }: QuicWorkload, { count, elapsedMs }: QuicReport): number {
  return count / (elapsedMs / 1000) * (kind === "upload" ? UPLOAD_BYTES / MIB : 1);
}
