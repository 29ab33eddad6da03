import "reflect-metadata";
import { isDeepStrictEqual } from "node:util";
import { p256 } from "@noble/curves/nist.js";
import * as x509 from "@peculiar/x509";
import { deviceCommonName } from "./certificate_names.ts";
import { DER_TAG, derElement } from "./der.ts";
import type { DeviceId } from "./device_id.ts";
import { fingerprintBytes, fingerprintOf } from "./fingerprint.ts";
import { PalyraError } from "./palyra_error.ts";
import { sameBytes } from "./same_bytes.ts";
import { isP256PublicKey, p256Point, type TlsKey } from "./tls_key.ts";

/** The largest certificate request that is looked at, in bytes. A P-256 one takes about 250. */
export const MAX_CERTIFICATE_REQUEST_BYTES = 4 * 1024;

const VERSION_1 = Uint8Array.of(0x02, 0x01, 0x00);
const NO_ATTRIBUTES = Uint8Array.of(0xa0, 0x00);
const COMMON_NAME_OID = Uint8Array.fromHex("0603550403");
const ECDSA_WITH_SHA256 = Uint8Array.fromHex("300a06082a8648ce3d040302");

/** A certificate request that was checked: what the CA may certify. */
export interface CertificateRequest {
  /** SubjectPublicKeyInfo of the P-256 key, DER. */
  readonly publicKey: Uint8Array;
  /** SHA-256 of the request's DER. */
  readonly hash: Uint8Array;
  /** The request as it came. */
  readonly der: Uint8Array;
}

/** Makes the PKCS#10 request (RFC 2986, DER) for a device's client certificate: its common name and key, no more. */
export async function createCertificateRequest(
  request: { readonly deviceId: DeviceId; readonly tlsKey: TlsKey },
): Promise<Uint8Array> {
  const made = await x509.Pkcs10CertificateRequestGenerator.create({
    name: [{ CN: [deviceCommonName(request.deviceId)] }],
    keys: request.tlsKey.keys,
    signingAlgorithm: { name: "ECDSA", hash: "SHA-256" },
  });
  return new Uint8Array(made.rawData);
}

/**
 * Checks a peer's PKCS#10 request. Throws `invalid_certificate_request` unless it is at most 4 KiB, its subject is
 * exactly the expected device's common name, its key is P-256, it asks for no attribute or extension, it is signed by
 * that key with ECDSA and SHA-256, and it is strict DER from the first byte to the last.
 */
export function parseCertificateRequest(der: Uint8Array, expectedDeviceId: DeviceId): CertificateRequest {
  if (der.length > MAX_CERTIFICATE_REQUEST_BYTES) throw invalid("is longer than 4 KiB");
  const request = read(der);
  if (!isDeepStrictEqual(request.subject, [{ CN: [deviceCommonName(expectedDeviceId)] }])) {
    throw invalid("does not name exactly this device");
  }
  if (request.attributes !== 0) throw invalid("asks for attributes or extensions, which the CA alone decides");
  if (!isP256PublicKey(request.publicKey)) throw invalid("is not for an ECDSA P-256 key");
  if (!isDeepStrictEqual(request.signatureAlgorithm, { name: "ECDSA", hash: { name: "SHA-256" } })) {
    throw invalid("is not signed with ECDSA and SHA-256");
  }
  // The parser is lenient (BER, members that it does not know). All that a valid request may hold is known by now, so
  // it is encoded again and must come out the same.
  const info = requestInfos(expectedDeviceId, request.publicKey).find((candidate) => {
    const signature = derElement(DER_TAG.bitString, Uint8Array.of(0), request.signature);
    return sameBytes(der, derElement(DER_TAG.sequence, candidate, ECDSA_WITH_SHA256, signature));
  });
  if (info === undefined) throw invalid("is not encoded in strict DER");
  if (!verify(request.signature, info, request.publicKey)) throw invalid("is not signed by its own key");
  return { publicKey: request.publicKey, hash: fingerprintBytes(fingerprintOf(der)), der: der.slice() };
}

function read(der: Uint8Array) {
  try {
    const request = new x509.Pkcs10CertificateRequest(new Uint8Array(der));
    return {
      subject: request.subjectName.toJSON(),
      attributes: request.attributes.length,
      publicKey: new Uint8Array(request.publicKey.rawData),
      signatureAlgorithm: request.signatureAlgorithm,
      signature: new Uint8Array(request.signature),
    };
  } catch (cause) {
    throw invalid("is not a PKCS#10 request", cause);
  }
}

/** The CertificationRequestInfo in its two lawful spellings: a common name is a PrintableString or a UTF8String. */
function requestInfos(deviceId: DeviceId, publicKey: Uint8Array): Uint8Array[] {
  return [DER_TAG.printableString, DER_TAG.utf8String].map((stringTag) => {
    const value = derElement(stringTag, new TextEncoder().encode(deviceCommonName(deviceId)));
    const attribute = derElement(DER_TAG.set, derElement(DER_TAG.sequence, COMMON_NAME_OID, value));
    const subject = derElement(DER_TAG.sequence, attribute);
    return derElement(DER_TAG.sequence, VERSION_1, subject, publicKey, NO_ATTRIBUTES);
  });
}

function verify(signature: Uint8Array, info: Uint8Array, publicKey: Uint8Array): boolean {
  try {
    return p256.verify(signature, info, p256Point(publicKey), { format: "der", lowS: false });
  } catch {
    return false;
  }
}

function invalid(what: string, cause?: unknown): PalyraError {
  return new PalyraError(
    "invalid_certificate_request",
    `The certificate request ${what}; it must be a PKCS#10 request for "CN=Palyra Device <device id>" with a P-256 key.`,
    { cause },
  );
}
