import assert from "node:assert/strict";
import type { NodeEventResponse, Welcome } from "../../proto/gen/node.ts";
import type { DaemonSession } from "../../transport/session.ts";
import type { Dispatch } from "../dispatch.ts";
import type { NodeMessage } from "../node_message.ts";

type DaemonMessage = NonNullable<NodeEventResponse["message"]>;
type MessageOf<Case extends NodeMessage["$case"]> = Extract<NodeMessage, { $case: Case }>["value"];

/** For tests: the daemon's end of a session, which says what the test tells it to. */
export class ScriptedDaemon {
  readonly session: DaemonSession;
  /** What came and was not taken yet, heartbeats aside. */
  readonly untaken: NodeMessage[] = [];
  heartbeats = 0;
  epoch = 1;
  #arrived = Promise.withResolvers<void>();

  constructor(session: DaemonSession) {
    this.session = session;
    session.onMessage = ({ message }) => {
      if (message === undefined) return;
      if (message.$case === "heartbeat") {
        this.heartbeats += 1;
        this.send({ $case: "heartbeat", value: {} });
      } else {
        this.untaken.push(message);
      }
      this.#arrived.resolve();
      this.#arrived = Promise.withResolvers();
    };
  }

  /** The next message, which must be of this kind. */
  async take<Case extends NodeMessage["$case"]>(expected: Case): Promise<MessageOf<Case>> {
    // deno-lint-ignore no-await-in-loop -- waits for one arrival after the other
    while (this.untaken.length === 0) await this.#arrived.promise;
    const message = this.untaken.shift();
    assert.equal(message?.$case, expected);
    return message?.value as MessageOf<Case>;
  }

  /** The next result. Before it the attempt may have been accepted: only what starts is. */
  async takeResult(): Promise<MessageOf<"result">> {
    // deno-lint-ignore no-await-in-loop -- waits for one arrival after the other
    while (this.untaken.length === 0) await this.#arrived.promise;
    if (this.untaken[0]?.$case === "accepted") await this.take("accepted");
    return await this.take("result");
  }

  /** Resolves after the next arrival, heartbeats included. */
  async arrival(): Promise<void> {
    await this.#arrived.promise;
  }

  send(message: DaemonMessage): void {
    this.session.send({ v: 1, eventId: undefined, accepted: false, reason: "", message });
  }

  welcome(changes: Partial<Welcome> = {}): void {
    this.epoch = changes.epoch ?? this.epoch;
    const value = {
      epoch: this.epoch,
      serverTimeUnixMs: Date.now(),
      keepAliveMs: 5_000,
      maxMessageBytes: 4 * 1024 * 1024,
      trustBundlePem: "",
      abandoned: [],
      ...changes,
    };
    this.send({ $case: "welcome", value });
  }

  dispatch(dispatch: Pick<Dispatch, "requestId" | "attempt"> & Partial<Dispatch> & { readonly epoch?: number }): void {
    const { requestId, ...rest } = dispatch;
    const value = {
      requestId: { ulid: requestId },
      capability: "echo",
      inputJson: new Uint8Array(),
      maxPayloadBytes: 0,
      timeLeftMs: 30_000,
      requestedBy: "test",
      epoch: this.epoch,
      ...rest,
    };
    this.send({ $case: "dispatch", value });
  }

  acknowledge(requestId: string, attempt: number): void {
    this.send({ $case: "resultAck", value: { attempts: [{ requestId: { ulid: requestId }, attempt }] } });
  }

  cancel(requestId: string, attempt: number, reason: string): void {
    this.send({ $case: "cancel", value: { attempt: { requestId: { ulid: requestId }, attempt }, reason } });
  }
}
