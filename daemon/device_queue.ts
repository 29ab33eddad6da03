import type { LiveRequest } from "./live_request.ts";
import type { NodeLink } from "./node_link.ts";

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

  /** The link, if one more request may go over it now. */
  get freeLink(): NodeLink | undefined {
    if (this.link === undefined || this.draining) return undefined;
    return this.inFlight.size < this.link.maxConcurrency ? this.link : undefined;
  }

  /** Takes a request out, wherever it stands. */
  remove(request: LiveRequest): void {
    this.inFlight.delete(request.record.requestId);
    const index = this.waiting.indexOf(request);
    if (index >= 0) this.waiting.splice(index, 1);
  }
}
