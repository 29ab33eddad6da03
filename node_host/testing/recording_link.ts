import type { CapabilityResult } from "../../proto/gen/node.ts";
import type { Dispatch } from "../dispatch.ts";
import type { NodeMessage } from "../node_message.ts";
import type { WorkDesk, WorkLink } from "../work_desk.ts";
import { newRequestId } from "./test_node.ts";

/** For tests: a welcomed session that keeps what the desk sends. */
export class RecordingLink implements WorkLink {
  readonly sent: NodeMessage[] = [];
  #changed = Promise.withResolvers<void>();

  send(message: NodeMessage): void {
    this.sent.push(message);
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  /** Resolves once that many messages were sent. */
  async until(count: number): Promise<void> {
    // deno-lint-ignore no-await-in-loop -- waits for one message after the other
    while (this.sent.length < count) await this.#changed.promise;
  }

  /** The first results, once that many were sent. */
  async results(count: number): Promise<CapabilityResult[]> {
    for (;;) {
      const results = this.sent.flatMap((message) => message.$case === "result" ? [message.value] : []);
      if (results.length >= count) return results;
      // deno-lint-ignore no-await-in-loop -- waits for one message after the other
      await this.#changed.promise;
    }
  }

  /** What was sent, by kind. */
  get cases(): string[] {
    return this.sent.map(({ $case }) => $case);
  }
}

/** For tests: a dispatch of the capability `held`. */
export function dispatchOf(changes: Partial<Dispatch> = {}): Dispatch {
  return {
    requestId: newRequestId(),
    attempt: 1,
    capability: "held",
    inputJson: new Uint8Array(),
    maxPayloadBytes: 0,
    timeLeftMs: 60_000,
    requestedBy: "test",
    ...changes,
  };
}

/** For tests: a fresh session of this desk. */
export function attachedTo(desk: WorkDesk): RecordingLink {
  const link = new RecordingLink();
  desk.attach(link, []);
  return link;
}
