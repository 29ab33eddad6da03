import * as v from "valibot";
import { type DeviceId, isCanonicalUlid, parseDeviceId } from "../identity/device_id.ts";
import { parseEndpoint } from "../identity/endpoint.ts";
import { type Fingerprint, parseFingerprint } from "../identity/fingerprint.ts";
import { type UnixMs, unixMs } from "../identity/unix_ms.ts";
import { STATE_SCHEMA_VERSION } from "./state_document.ts";

/** The most endpoints of one daemon that a node keeps. */
export const MAX_ENDPOINTS = 8;

/** `schema_version`. */
export const SchemaVersion = v.literal(STATE_SCHEMA_VERSION);

/** A ULID of anything but a device. */
export const Ulid = v.pipe(v.string(), v.check(isCanonicalUlid));

/** A device id. */
export const DeviceIdText = v.pipe(
  v.string(),
  v.check(isCanonicalUlid),
  v.transform((text): DeviceId => parseDeviceId(text)),
);

/** A SHA-256 as 64 lower-case hex digits. */
export const FingerprintText = v.pipe(
  v.string(),
  v.regex(/^[0-9a-f]{64}$/),
  v.transform((text): Fingerprint => parseFingerprint(text)),
);

/** A moment in Unix milliseconds. */
export const Moment = v.pipe(v.number(), v.safeInteger(), v.minValue(0), v.transform((at): UnixMs => unixMs(at)));

/** `host:port`. */
export const EndpointText = v.pipe(v.string(), v.check(isEndpoint));

/** Endpoints, best first. */
export const EndpointList = v.pipe(v.array(EndpointText), v.minLength(1), v.maxLength(MAX_ENDPOINTS));

/** Text for people. */
export const ShownText = v.pipe(v.string(), v.maxLength(2_000));

function isEndpoint(text: string): boolean {
  try {
    parseEndpoint(text);
    return true;
  } catch {
    return false;
  }
}
