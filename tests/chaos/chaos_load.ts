import { isDeepStrictEqual } from "node:util";
import * as v from "valibot";
import { hasEnded, isRequestState } from "../../daemon/request_state.ts";
import type { RequestOrder } from "../../daemon/admin_client.ts";
import { PalyraError } from "../../identity/palyra_error.ts";
import type { RequestView } from "../../proto/gen/admin.ts";
import { ChaosAnswer, type ChaosWork } from "./chaos_capability.ts";
import { type ChaosClient, Unanswered } from "./chaos_client.ts";
import { type ChaosOrder, mayBeForgotten } from "./chaos_order.ts";
import type { RequestBook, ToldEnd } from "./request_book.ts";

/** A pause before a full queue is tried again, in milliseconds. */
const FULL_PAUSE_MS = 200;

const utf8 = new TextEncoder();

/** Makes one request after the other and books what its clients are told. */
export class ChaosLoad {
  readonly #client: ChaosClient;
  readonly #book: RequestBook;

  constructor(client: ChaosClient, book: RequestBook) {
    this.#client = client;
    this.#book = book;
  }

  /** Makes a request as its order says. Rejects only when the daemon stays away. */
  async run(order: ChaosOrder): Promise<void> {
    this.#book.open(order);
    try {
      if (order.way === "execute") return await this.#execute(order);
      const requestId = await this.#submit(order);
      if (order.way === "submit") return;
      await Promise.all([this.#watch(order, requestId), this.#cancel(order, requestId)]);
    } catch (error) {
      if (!(error instanceof Unanswered) || order.keyed) throw error;
      // Asked again it might run twice: its client has to leave it at that.
      this.#book.unanswered(order.number);
    }
  }

  async #execute(order: ChaosOrder): Promise<void> {
    const view = await this.#ask(order, "execute");
    this.#accepted(order, view);
    this.#told(order, view, "execute");
  }

  async #submit(order: ChaosOrder): Promise<string> {
    const view = await this.#ask(order, "submit");
    this.#accepted(order, view);
    return view.requestId;
  }

  /** One request, asked for as often as its key allows and a full queue demands. */
  async #ask(order: ChaosOrder, method: "execute" | "submit"): Promise<RequestView> {
    for (;;) {
      try {
        const wording = wordingOf(order);
        // deno-lint-ignore no-await-in-loop -- one try after the other
        return await (order.keyed
          ? this.#client.untilAnswered((admin) => admin[method](wording), () => this.#book.repeated(order.number))
          : this.#client.once((admin) => admin[method](wording)));
      } catch (error) {
        if (!(error instanceof PalyraError) || error.code !== "queue_full") throw error;
        // deno-lint-ignore no-await-in-loop -- a pause between the tries
        await new Promise((resolve) => setTimeout(resolve, FULL_PAUSE_MS));
      }
    }
  }

  /** Watches it to its end, going on where it was when the daemon was killed. */
  async #watch(order: ChaosOrder, requestId: string): Promise<void> {
    const seen = { attempt: 0, sequence: 0 };
    const end = await this.#client.untilAnswered(async (admin) => {
      const events = admin.watch({ requestId, afterAttempt: seen.attempt, afterSequence: seen.sequence });
      for await (const { event } of events) {
        if (event?.$case === "progress") {
          const { attempt, sequence } = event.value;
          this.#checkOrder(order, seen, { attempt: attempt?.attempt ?? 0, sequence });
        } else if (event?.$case === "state" && isOver(event.value.state)) {
          return event.value;
        }
      }
      throw new Unanswered("the watch ended before the request had");
    }, () => this.#book.repeated(order.number));
    this.#told(order, end, "watch");
  }

  #checkOrder(order: ChaosOrder, seen: { attempt: number; sequence: number }, next: typeof seen): void {
    const later = next.attempt > seen.attempt || (next.attempt === seen.attempt && next.sequence > seen.sequence);
    // What may be forgotten may begin again, and with it the numbers of its attempts.
    if (!later && !mayBeForgotten(order)) {
      this.#book.faults.push(
        `request ${order.number}: progress ${next.attempt}/${next.sequence} came after ${seen.attempt}/${seen.sequence}`,
      );
    }
    seen.attempt = next.attempt;
    seen.sequence = next.sequence;
  }

  async #cancel(order: ChaosOrder, requestId: string): Promise<void> {
    const { cancelAfterMs, number } = order;
    if (cancelAfterMs === undefined) return;
    await new Promise((resolve) => setTimeout(resolve, cancelAfterMs));
    this.#book.cancelAsked(number);
    try {
      const view = await this.#client.untilAnswered((admin) => admin.cancel({ requestId, reason: "chaos" }));
      this.#told(order, view, "cancel");
    } catch (error) {
      if (!(error instanceof PalyraError) || error.code !== "request_ended") throw error;
    }
  }

  #accepted(order: ChaosOrder, view: RequestView): void {
    this.#book.accepted(order.number, view.requestId);
  }

  /** A client hears how its request ended, and looks whether that is about its own one. */
  #told(order: ChaosOrder, view: RequestView, by: ToldEnd["by"]): void {
    const { number } = order;
    if (!isOver(view.state)) this.#book.faults.push(`request ${number}: ${by} said ${view.state} and no end`);
    this.#book.told(number, { state: view.state, by });
    if (view.state !== "succeeded") return;
    const answer = v.safeParse(ChaosAnswer, JSON.parse(new TextDecoder().decode(view.outputJson)));
    if (!isDeepStrictEqual(answer.output, { number })) {
      this.#book.faults.push(`request ${number}: ${by} brought the result ${JSON.stringify(answer.output)}`);
    }
  }
}

function isOver(state: string): boolean {
  return isRequestState(state) && hasEnded(state);
}

function wordingOf(order: ChaosOrder): RequestOrder {
  const { number, workMs, kind } = order;
  const work: ChaosWork = { number, workMs, fails: kind === "failing" };
  return {
    deviceId: order.node,
    capability: order.capability,
    inputJson: utf8.encode(JSON.stringify(work)),
    timeoutMs: order.timeoutMs,
    ttlMs: order.ttlMs,
    idempotencyKey: order.keyed ? `chaos-${number}` : "",
    onDisconnect: order.onDisconnect,
    priority: order.priority,
  };
}
