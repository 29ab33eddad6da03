import type { LiveRequest } from "./live_request.ts";
import type { NodeLink } from "./node_link.ts";
import { PriorityLanes } from "./priority_lanes.ts";

/** Input that may be under way to a node before it has taken any of it, in bytes. */
const MAX_UNREAD_BYTES: number = 4 * 1024 * 1024;

/** What a request in flight takes of its node's room. */
interface Flight {
  readonly live: LiveRequest;
  /** Neither ended nor waiting for the node's owner: a person's time holds up nobody else's work. */
  running: boolean;
  /** Input that was sent and of which the node has not said that it took it. */
  unreadBytes: number;
}

/** The unfinished requests of one device and the link over which they go. */
export class DeviceQueue {
  /** In the order in which they are to be dispatched. */
  readonly waiting = new PriorityLanes<LiveRequest>();
  /** Dispatched and not ended, by request id; kept while the node is away. */
  readonly #flights = new Map<string, Flight>();
  readonly #runningByCapability = new Map<string, number>();
  #running = 0;
  #unreadBytes = 0;
  /** Accepted requests that are on their way to the disk. */
  arriving = 0;
  /** Input of its requests that is in memory, in bytes. */
  inputBytes = 0;
  link: NodeLink | undefined;
  /** A draining node gets nothing new. */
  draining = false;
  /** Its requests are being dispatched just now. */
  pumping = false;

  /** How many requests it holds. */
  get size(): number {
    return this.waiting.size + this.#flights.size + this.arriving;
  }

  /** How many are dispatched and have not ended. */
  get inFlightCount(): number {
    return this.#flights.size;
  }

  /** Dispatched and not ended. */
  get inFlight(): LiveRequest[] {
    return [...this.#flights.values()].map(({ live }) => live);
  }

  /** Everything that waits or is in flight. */
  get all(): LiveRequest[] {
    return [...this.waiting, ...this.inFlight];
  }

  /** The request of this id that is in flight. */
  find(requestId: string): LiveRequest | undefined {
    return this.#flights.get(requestId)?.live;
  }

  /** The link, if `request` may go over it now, before all that waits. */
  linkFor(request: LiveRequest): NodeLink | undefined {
    const link = this.#openLink();
    if (link === undefined || this.#isHeldUp(link, request.record.capability)) return undefined;
    return this.#fits(request) ? link : undefined;
  }

  /** Takes out of those that wait the one whose turn it is, with the link over which it may go now. */
  takeNext(): { readonly live: LiveRequest; readonly link: NodeLink } | undefined {
    const link = this.#openLink();
    if (link === undefined) return undefined;
    const live = this.waiting.take(
      (capability) => this.#isHeldUp(link, capability),
      (request) => this.#fits(request),
    );
    return live && { live, link };
  }

  /** Counts a request as in flight, as it stands now: to be called again after each change of it. */
  putInFlight(live: LiveRequest): void {
    const { requestId, state, capability, inputJson } = live.record;
    let flight = this.#flights.get(requestId);
    if (flight === undefined) this.#flights.set(requestId, flight = { live, running: false, unreadBytes: 0 });
    this.#recount(
      flight,
      capability,
      state !== "awaiting_local_mediation",
      state === "dispatched" ? inputJson.length : 0,
    );
  }

  /** Takes a request out, wherever it stands. */
  remove(live: LiveRequest): void {
    const { requestId, capability } = live.record;
    const flight = this.#flights.get(requestId);
    if (flight !== undefined) {
      this.#flights.delete(requestId);
      this.#recount(flight, capability, false, 0);
    } else {
      this.waiting.leave(live);
    }
  }

  #openLink(): NodeLink | undefined {
    const { link } = this;
    return link === undefined || this.draining || this.#running >= link.maxConcurrency ? undefined : link;
  }

  #isHeldUp({ capabilityLimits }: NodeLink, capability: string): boolean {
    const limit = capabilityLimits?.get(capability);
    return limit !== undefined && (this.#runningByCapability.get(capability) ?? 0) >= limit;
  }

  /** One goes always, however large; more only as long as the session need not hold much that nobody has read. */
  #fits({ record: { inputJson } }: LiveRequest): boolean {
    return this.#unreadBytes === 0 || this.#unreadBytes + inputJson.length <= MAX_UNREAD_BYTES;
  }

  #recount(flight: Flight, capability: string, running: boolean, unreadBytes: number): void {
    this.#unreadBytes += unreadBytes - flight.unreadBytes;
    flight.unreadBytes = unreadBytes;
    if (running === flight.running) return;
    flight.running = running;
    const step = running ? 1 : -1;
    this.#running += step;
    const ofCapability = (this.#runningByCapability.get(capability) ?? 0) + step;
    if (ofCapability > 0) this.#runningByCapability.set(capability, ofCapability);
    else this.#runningByCapability.delete(capability);
  }
}
