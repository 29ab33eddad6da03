import { PalyraError } from "../identity/palyra_error.ts";
import type { ReasonCode } from "../identity/reason_code.ts";
import type { Clock } from "../identity/unix_ms.ts";
import type { DeviceQueue } from "./device_queue.ts";
import type { ElapsedTime } from "./elapsed_time.ts";
import type { LiveRequest } from "./live_request.ts";
import { forgetsHarmlessly } from "./on_disconnect.ts";
import type { RequestBook } from "./request_book.ts";
import type { RequestCounters } from "./request_counters.ts";
import { isInFlight, type RequestState } from "./request_state.ts";
import type { RequestWriter } from "./request_writer.ts";
import type { CapabilityRequestRecord } from "./store/capability_request_record.ts";

/** What {@linkcode RequestEnder} needs. */
export interface RequestEnderOptions {
  readonly book: RequestBook;
  readonly writer: RequestWriter;
  readonly counters: RequestCounters;
  readonly clock: Clock;
  readonly elapsed: ElapsedTime;
  /** Called when a request has made room for others of its device. */
  readonly onRoom: (device: DeviceQueue) => void;
}

/** Ends requests, each once: in memory at once, for everybody else when it is on disk. */
export class RequestEnder {
  readonly #options: RequestEnderOptions;

  constructor(options: RequestEnderOptions) {
    this.#options = options;
  }

  /** Ends a request; resolves with whether its end is on disk, and with false when it had ended already. */
  async end(live: LiveRequest, state: RequestState, changes: Partial<CapabilityRequestRecord>): Promise<boolean> {
    const { book, writer, counters, clock, onRoom } = this.#options;
    const now = clock();
    if (!live.become(state, { ...changes, completedAt: now, updatedAt: now })) return false;
    counters.countEnd(state);
    const device = book.queueOf(live.record.deviceId);
    device.remove(live);
    onRoom(device);
    // Losing this end in a crash would only run the request again, which does no harm: its caller need not wait.
    if (forgetsHarmlessly(live.record)) live.settle();
    const written = await writer.writeEnd(live.record, live.unwritten.reports);
    if (written) live.settle();
    else live.abandon(new PalyraError("shutting_down", "The daemon is stopping; ask again when it is back."));
    book.remove(live);
    return written;
  }

  /** Ends a request, and tells the node to stop it. */
  async stop(live: LiveRequest, state: "timed_out" | "cancelled", code: ReasonCode, message: string): Promise<boolean> {
    this.tellToStop(live, message);
    return await this.end(live, state, { errorCode: code, error: message });
  }

  /** Ends a request of which nobody can tell whether it ran. */
  async lose(live: LiveRequest): Promise<boolean> {
    return await this.end(live, "lost", {
      errorCode: "outcome_unknown" satisfies ReasonCode,
      error: "The node lost this attempt: nobody can tell whether it ran. Check its effect before repeating it.",
    });
  }

  /**
   * The session of a request in flight has ended, or the daemon that knew of it: ends it if its caller wants that;
   * returns whether that is so.
   */
  endIfDisconnected(live: LiveRequest): boolean {
    const { onDisconnect, idempotent } = live.record;
    if (onDisconnect !== "fail" || !live.accepted) return false;
    if (live.sent && !idempotent) {
      void this.lose(live);
    } else {
      void this.end(live, "failed", {
        errorCode: "node_disconnected" satisfies ReasonCode,
        error: "The node's session ended before the request did, and its caller wanted it to fail then.",
      });
    }
    return true;
  }

  /** Tells the node, if it has the request, that nobody waits for it any more. */
  tellToStop(live: LiveRequest, reason: string): void {
    const { requestId, attempt, deviceId, state } = live.record;
    if (!live.sent || !isInFlight(state)) return;
    this.#options.book.findQueue(deviceId)?.link?.cancel({ requestId, attempt }, reason);
  }

  /** Ends it when its time is over, whether or not a timer has said so; returns whether it was. */
  endIfOver(live: LiveRequest): boolean {
    // Whether there is such a request at all is not known yet.
    if (!live.accepted && !live.sent) return false;
    if (live.ended || live.endsAt > this.#options.elapsed()) return live.ended;
    this.timeOut(live);
    return true;
  }

  /** Ends one whose time is over. */
  timeOut(live: LiveRequest): void {
    if (live.endsByTtl) {
      const message = "The node did not come in the time that the request could wait for it.";
      void this.stop(live, "timed_out", "ttl_expired", message);
    } else {
      void this.stop(live, "timed_out", "deadline_exceeded", `${whatWasMissed(live)} before the request's deadline.`);
    }
  }
}

function whatWasMissed({ sent, record }: LiveRequest): string {
  if (record.state === "awaiting_local_mediation") return "The node's owner did not answer";
  return sent && isInFlight(record.state) ? "The node did not finish" : "The node did not come";
}
