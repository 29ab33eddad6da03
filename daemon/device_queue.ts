import type { LiveRequest } from "./live_request.ts";
import type { NodeLink } from "./node_link.ts";

/** Input that may be under way to a node before it has taken any of it, in bytes. */
const MAX_UNREAD_BYTES: number = 4 * 1024 * 1024;

/** The unfinished requests of one device and the link over which they go. */
export class DeviceQueue {
  /** In the order in which they are to be dispatched. */
  readonly waiting: LiveRequest[] = [];
  /** Dispatched and not ended, by request id; kept while the node is away. */
  readonly inFlight = new Map<string, LiveRequest>();
  /** Accepted requests that are on their way to the disk. */
  arriving = 0;
  link: NodeLink | undefined;
  /** A draining node gets nothing new. */
  draining = false;

  /** How many requests it holds. */
  get size(): number {
    return this.waiting.length + this.inFlight.size + this.arriving;
  }

  /** The link, if `request` may go over it now. */
  linkFor(request: LiveRequest): NodeLink | undefined {
    const { link } = this;
    if (link === undefined || this.draining || this.#runningCount() >= link.maxConcurrency) return undefined;
    // One goes always, however large; more only as long as the session need not hold much that nobody has read.
    const unread = this.#unreadBytes();
    return unread === 0 || unread + request.record.inputJson.length <= MAX_UNREAD_BYTES ? link : undefined;
  }

  /** In flight, those aside that wait for the node's owner: a person's time holds up nobody else's work. */
  #runningCount(): number {
    let count = 0;
    for (const { record } of this.inFlight.values()) {
      if (record.state !== "awaiting_local_mediation") count += 1;
    }
    return count;
  }

  /** Input that was sent and of which the node has not said that it took it. */
  #unreadBytes(): number {
    let bytes = 0;
    for (const { record } of this.inFlight.values()) {
      if (record.state === "dispatched") bytes += record.inputJson.length;
    }
    return bytes;
  }

  /** Takes a request out, wherever it stands. */
  remove(request: LiveRequest): void {
    this.inFlight.delete(request.record.requestId);
    const index = this.waiting.indexOf(request);
    if (index >= 0) this.waiting.splice(index, 1);
  }
}
