import type { NodeEventResponse } from "../proto/gen/node.ts";
import type { DaemonSession } from "../transport/session.ts";
import type { AttemptName, CapabilityDispatchRecord } from "./capability_dispatch_record.ts";
import type { NodeLink } from "./node_link.ts";
import type { NodeHello } from "./node_registration.ts";

/** What a daemon says in a session. */
type DaemonMessage = NonNullable<NodeEventResponse["message"]>;

/** A message as it travels. */
export function daemonMessage(message: DaemonMessage): NodeEventResponse {
  return { v: 1, eventId: undefined, accepted: false, reason: "", message };
}

/** An attempt as messages name it. */
export function attemptRef({ requestId, attempt }: AttemptName) {
  return { requestId: { ulid: requestId }, attempt };
}

/** Nobody waits for an acknowledgement, so those of a moment go together; in milliseconds. */
const ACKNOWLEDGE_AFTER_MS = 20;

const MAX_ACKNOWLEDGED_TOGETHER = 64;

/** A welcomed session as the queue sees it. */
export class SessionLink implements NodeLink {
  readonly #session: DaemonSession;
  readonly epoch: number;
  readonly instanceId: string;
  readonly journalId: string;
  readonly maxConcurrency: number;
  readonly capabilityLimits: ReadonlyMap<string, number>;
  #acknowledged: AttemptName[] = [];
  #acknowledging: ReturnType<typeof setTimeout> | undefined;

  constructor(session: DaemonSession, epoch: number, hello: NodeHello) {
    this.#session = session;
    this.epoch = epoch;
    this.instanceId = hello.instanceId;
    this.journalId = hello.journalId;
    this.maxConcurrency = hello.maxConcurrency;
    this.capabilityLimits = new Map(
      hello.capabilities.flatMap(({ name, maxConcurrency }) =>
        maxConcurrency === undefined ? [] : [[name, maxConcurrency]]
      ),
    );
  }

  dispatch({ requestId, ...dispatch }: CapabilityDispatchRecord): void {
    this.#session.send(daemonMessage({ $case: "dispatch", value: { requestId: { ulid: requestId }, ...dispatch } }));
  }

  cancel(attempt: AttemptName, reason: string): void {
    this.#session.send(daemonMessage({ $case: "cancel", value: { attempt: attemptRef(attempt), reason } }));
  }

  acknowledge(attempt: AttemptName): void {
    this.#acknowledged.push(attempt);
    if (this.#acknowledged.length >= MAX_ACKNOWLEDGED_TOGETHER) this.#sendAcknowledged();
    else this.#acknowledging ??= setTimeout(() => this.#sendAcknowledged(), ACKNOWLEDGE_AFTER_MS);
  }

  /** The session is over; what was not acknowledged is settled by the next one. */
  end(): void {
    clearTimeout(this.#acknowledging);
  }

  #sendAcknowledged(): void {
    clearTimeout(this.#acknowledging);
    this.#acknowledging = undefined;
    const attempts = this.#acknowledged.map(attemptRef);
    this.#acknowledged = [];
    this.#session.send(daemonMessage({ $case: "resultAck", value: { attempts } }));
  }
}
