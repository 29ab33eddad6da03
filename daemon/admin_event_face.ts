import { PalyraError } from "../identity/palyra_error.ts";
import type { DeviceEventView, NotifyDeviceRequest, ReadEventsRequest } from "../proto/gen/admin.ts";
import type { DeviceEventLog } from "./device_event_log.ts";
import type { DeviceRegistry } from "./device_registry.ts";
import { type JsonObject, MAX_JSON_DEPTH, parseJsonObject } from "./json_object.ts";
import { findNode } from "./node_lookup.ts";
import type { DeviceEventRecord } from "./store/device_event_record.ts";

/** Largest payload of a notice, in bytes: it tells of something, and does not carry it. */
export const MAX_NOTICE_BYTES: number = 4 * 1024;

const MAX_NOTICE_NAME_CHARACTERS = 64;
const NOTICE_NAME = /^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$/;

/** What {@linkcode AdminEventFace} needs. */
export interface AdminEventFaceOptions {
  readonly devices: DeviceRegistry;
  readonly events: DeviceEventLog;
}

/** The calls of AdminService that are about the event logs of devices. */
export class AdminEventFace {
  readonly #options: AdminEventFaceOptions;

  constructor(options: AdminEventFaceOptions) {
    this.#options = options;
  }

  /** The kept events of a device; when asked to follow, each new one too, until `signal` fires. */
  async *readEvents(request: ReadEventsRequest, signal: AbortSignal): AsyncGenerator<DeviceEventView, void, void> {
    const { devices, events } = this.#options;
    const deviceId = findNode(request.deviceId, devices);
    const found = request.follow
      ? events.read(deviceId, request.afterSequence, signal)
      : events.kept(deviceId, request.afterSequence);
    for await (const event of found) yield deviceEventView(event);
  }

  /** Logs a notice for a device. Throws `invalid_argument`, `node_not_found` or `device_revoked`; then nothing is logged. */
  async notifyDevice(request: NotifyDeviceRequest): Promise<DeviceEventView> {
    const { devices, events } = this.#options;
    const deviceId = findNode(request.deviceId, devices);
    if (devices.get(deviceId)?.status === "revoked") {
      throw new PalyraError("device_revoked", "The device was revoked and hears of nothing any more.");
    }
    const name = `notice.${parseNoticeName(request.notice)}` as const;
    const payload = parsePayload(request.payloadJson);
    return deviceEventView(await events.publish(deviceId, { name, payload }));
  }
}

function deviceEventView({ sequence, name, payload, at }: DeviceEventRecord): DeviceEventView {
  return { sequence, name, payloadJson: new TextEncoder().encode(JSON.stringify(payload)), atUnixMs: at };
}

function parseNoticeName(text: string): string {
  if (text.length <= MAX_NOTICE_NAME_CHARACTERS && NOTICE_NAME.test(text)) return text;
  throw new PalyraError(
    "invalid_argument",
    `A notice is named like \`backup.due\`: lower-case letters, digits, underscores and dots, at most ` +
      `${MAX_NOTICE_NAME_CHARACTERS} characters.`,
  );
}

function parsePayload(json: Uint8Array): JsonObject {
  if (json.length === 0) return {};
  const payload = json.length > MAX_NOTICE_BYTES ? undefined : parseJsonObject(decode(json));
  if (payload !== undefined) return payload;
  throw new PalyraError(
    "invalid_argument",
    `The payload of a notice is a JSON object in UTF-8 of at most ${MAX_NOTICE_BYTES} bytes and ${MAX_JSON_DEPTH} levels.`,
  );
}

/** What is no UTF-8 comes out as the empty text, which is no JSON either. */
function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return "";
  }
}
