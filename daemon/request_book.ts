import type { DeviceId } from "../identity/device_id.ts";
import { PalyraError } from "../identity/palyra_error.ts";
import { DeviceQueue } from "./device_queue.ts";
import type { LiveRequest } from "./live_request.ts";

/** Unfinished requests of one device beyond which no more are taken (design section 5). */
export const DEFAULT_QUEUE_BOUND = 1_000;

/** Input of the unfinished requests of one device beyond which no more are taken, in bytes. */
export const MAX_DEVICE_INPUT_BYTES: number = 64 * 1024 * 1024;

/** The same for all devices together. */
export const MAX_INPUT_BYTES_IN_ALL: number = 512 * 1024 * 1024;

/** How much a {@linkcode RequestBook} takes. */
export interface RequestBounds {
  /** Unfinished requests of one device. Default: {@linkcode DEFAULT_QUEUE_BOUND}. */
  readonly requests?: number;
  /** Default: {@linkcode MAX_DEVICE_INPUT_BYTES}. */
  readonly deviceInputBytes?: number;
  /** Default: {@linkcode MAX_INPUT_BYTES_IN_ALL}. */
  readonly inputBytesInAll?: number;
}

/** The requests in memory: by id, and by the device that is to run them. What it holds is bounded. */
export class RequestBook {
  readonly #live = new Map<string, LiveRequest>();
  readonly #devices = new Map<DeviceId, DeviceQueue>();
  readonly #bounds: Required<RequestBounds>;
  #inputBytes = 0;

  constructor(bounds: RequestBounds = {}) {
    this.#bounds = {
      requests: bounds.requests ?? DEFAULT_QUEUE_BOUND,
      deviceInputBytes: bounds.deviceInputBytes ?? MAX_DEVICE_INPUT_BYTES,
      inputBytesInAll: bounds.inputBytesInAll ?? MAX_INPUT_BYTES_IN_ALL,
    };
  }

  /** The request of this id, until its end is on disk. */
  get(requestId: string): LiveRequest | undefined {
    return this.#live.get(requestId);
  }

  /** Every request whose end is not on disk. */
  all(): IterableIterator<LiveRequest> {
    return this.#live.values();
  }

  /** The queues that hold anything or have a link. */
  queues(): IterableIterator<DeviceQueue> {
    return this.#devices.values();
  }

  /** The queue of a device, if it has one. */
  findQueue(deviceId: DeviceId): DeviceQueue | undefined {
    return this.#devices.get(deviceId);
  }

  /** The queue of a device. */
  queueOf(deviceId: DeviceId): DeviceQueue {
    let device = this.#devices.get(deviceId);
    if (device === undefined) this.#devices.set(deviceId, device = new DeviceQueue());
    return device;
  }

  /** Throws `queue_full`, which names the bound, when a request with so much input would be too much. */
  requireRoom(deviceId: DeviceId, inputBytes: number): void {
    const device = this.#devices.get(deviceId);
    const { requests, deviceInputBytes, inputBytesInAll } = this.#bounds;
    if (device !== undefined && device.size >= requests) {
      throw new PalyraError(
        "queue_full",
        `The node has ${device.size} unfinished requests, the most it may have. Wait for some to end or cancel them.`,
      );
    }
    if ((device?.inputBytes ?? 0) + inputBytes > deviceInputBytes) {
      throw new PalyraError(
        "queue_full",
        `The inputs of the node's unfinished requests have ${
          device?.inputBytes ?? 0
        } bytes, and with this one more than ` +
          `the ${deviceInputBytes} that they may have. Wait for some to end or cancel them.`,
      );
    }
    if (this.#inputBytes + inputBytes > inputBytesInAll) {
      throw new PalyraError(
        "queue_full",
        `The inputs of all unfinished requests have ${this.#inputBytes} bytes, and with this one more than the ` +
          `${inputBytesInAll} that they may have. Wait for some to end or cancel them.`,
      );
    }
  }

  /** Enters a request. */
  add(live: LiveRequest): void {
    const { requestId, deviceId, inputJson } = live.record;
    this.#live.set(requestId, live);
    this.#inputBytes += inputJson.length;
    this.queueOf(deviceId).inputBytes += inputJson.length;
  }

  /** Forgets a request whose end is on disk, or that was not accepted. */
  remove(live: LiveRequest): void {
    const { requestId, deviceId, inputJson } = live.record;
    if (!this.#live.delete(requestId)) return;
    this.#inputBytes -= inputJson.length;
    this.queueOf(deviceId).inputBytes -= inputJson.length;
    this.forgetIfIdle(deviceId);
  }

  /** Forgets the queue of a device that is neither connected nor asked for anything. */
  forgetIfIdle(deviceId: DeviceId): void {
    const device = this.#devices.get(deviceId);
    if (device?.link === undefined && device?.size === 0 && device.inputBytes === 0) this.#devices.delete(deviceId);
  }
}
