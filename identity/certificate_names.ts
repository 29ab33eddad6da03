import { CLIENT_KINDS, type ClientKind } from "./client_kind.ts";
import { type DeviceId, isCanonicalUlid } from "./device_id.ts";
import { PalyraError } from "./palyra_error.ts";

/** Common name of a new CA. */
export const CA_COMMON_NAME = "Palyra Gateway CA";

/** Common name of the daemon's server certificate, and a DNS name that is always in it. */
export const SERVER_COMMON_NAME = "palyrad";

/** Organisation in a client certificate. */
export const ORGANISATION = "Palyra";

const DEVICE_COMMON_NAME_PREFIX = "Palyra Device ";
// The SPIFFE ID specification, section 2.1.
const TRUST_DOMAIN = /^[a-z0-9._-]{1,255}$/;
const SPIFFE_URI = /^spiffe:\/\/([a-z0-9._-]{1,255})\/([a-z]+)\/([0-9A-Z]{26})$/;

/** Who a client certificate is for. */
export interface ClientName {
  /** The SPIFFE trust domain: one for each daemon or group of daemons. */
  readonly trustDomain: string;
  readonly clientKind: ClientKind;
  readonly deviceId: DeviceId;
}

/** The common name of a device's certificate and certificate request. */
export function deviceCommonName(deviceId: DeviceId): string {
  return DEVICE_COMMON_NAME_PREFIX + deviceId;
}

/** The device a common name names, if it is one. */
export function deviceOfCommonName(commonName: string): DeviceId | undefined {
  const id = commonName.slice(DEVICE_COMMON_NAME_PREFIX.length);
  return commonName.startsWith(DEVICE_COMMON_NAME_PREFIX) && isCanonicalUlid(id)
    ? (id as string as DeviceId)
    : undefined;
}

/** Parses a SPIFFE trust domain: 1 to 255 of `a-z 0-9 . _ -`; throws `invalid_argument`. */
export function parseTrustDomain(text: string): string {
  if (!TRUST_DOMAIN.test(text)) {
    throw new PalyraError(
      "invalid_argument",
      "The trust domain must be 1 to 255 characters of a-z, 0-9, dot, hyphen and underscore, for example `palyra.local`.",
    );
  }
  return text;
}

/** `spiffe://<trust domain>/<client kind>/<device id>`; throws `invalid_argument` at a bad trust domain. */
export function spiffeUri(name: ClientName): string {
  return `spiffe://${parseTrustDomain(name.trustDomain)}/${name.clientKind}/${name.deviceId}`;
}

/** What a SPIFFE URI of {@linkcode spiffeUri} names; undefined for any other text. */
export function parseSpiffeUri(uri: string): ClientName | undefined {
  const [, trustDomain, kind, id] = SPIFFE_URI.exec(uri) ?? [];
  const clientKind = CLIENT_KINDS.find((known) => known === kind);
  if (trustDomain === undefined || clientKind === undefined || id === undefined || !isCanonicalUlid(id)) {
    return undefined;
  }
  return { trustDomain, clientKind, deviceId: id as string as DeviceId };
}
