import { createHash } from "node:crypto";
import type { ClientKind } from "./client_kind.ts";
import type { CanonicalUlid } from "./device_id.ts";
import { formatEndpoint, parseEndpoint } from "./endpoint.ts";
import { type Fingerprint, fingerprintBytes } from "./fingerprint.ts";
import { PalyraError } from "./palyra_error.ts";
import { sameBytes } from "./same_bytes.ts";
import { bytesToUlid, ulidToBytes } from "./ulid_bytes.ts";
import { type UnixMs, unixMs } from "./unix_ms.ts";

/** The longest token text, in characters; the parser looks at no more. */
export const MAX_QR_TOKEN_CHARACTERS = 1024;

/** Length of a token's secret, in bytes: 128 bits. */
export const QR_SECRET_BYTES = 16;

/** The most endpoints a token carries. */
export const MAX_QR_TOKEN_ENDPOINTS = 8;

const VERSION = 1;
const PREFIX = `palyra${VERSION}:`;
const CHECKSUM_BYTES = 4;
const BASE64URL = { alphabet: "base64url" } as const;
// Their place in this list is their code in the token: append only.
const KIND_CODES: readonly ClientKind[] = ["node", "desktop", "cli"];

// Body: u16 length of all that follows, u48 expiry, u8 kind, code id, secret, CA fingerprint, u8 count of endpoints, each
// with a u8 length before it, checksum.
const LENGTH_BYTES = 2;
const EXPIRY_AT = LENGTH_BYTES;
const KIND_AT = EXPIRY_AT + 6;
const CODE_ID_AT = KIND_AT + 1;
const SECRET_AT = CODE_ID_AT + 16;
const CA_AT = SECRET_AT + QR_SECRET_BYTES;
const COUNT_AT = CA_AT + 32;

/** What a QR token says. */
export interface QrTokenContent {
  /** Where the enrolment listener is reached, `host:port`, best first; 1 to 8. */
  readonly endpoints: readonly string[];
  /** SHA-256 of the CA certificate's DER: the server is checked against it before anything is said. */
  readonly caFingerprint: Fingerprint;
  /** Which code this is. */
  readonly codeId: CanonicalUlid;
  /** 16 bytes that only the operator and the device see. */
  readonly secret: Uint8Array;
  readonly expiresAt: UnixMs;
  /** What the device is to become. */
  readonly clientKind: ClientKind;
}

/** A parsed QR token. Its secret is used, never shown: no inspection, text or JSON form has it. */
export class QrToken implements QrTokenContent {
  readonly endpoints: readonly string[];
  readonly caFingerprint: Fingerprint;
  readonly codeId: CanonicalUlid;
  readonly expiresAt: UnixMs;
  readonly clientKind: ClientKind;
  readonly #secret: Uint8Array;

  constructor(content: QrTokenContent) {
    this.endpoints = [...content.endpoints];
    this.caFingerprint = content.caFingerprint;
    this.codeId = content.codeId;
    this.expiresAt = content.expiresAt;
    this.clientKind = content.clientKind;
    this.#secret = content.secret.slice();
  }

  get secret(): Uint8Array {
    return this.#secret;
  }
}

/**
 * Writes a token as one string that can be pasted anywhere and drawn as a QR picture: `palyra1:` and base64url.
 * Throws `invalid_argument` at no or too many endpoints, a malformed one, or more text than fits in 1,024 characters.
 */
export function encodeQrToken(content: QrTokenContent): string {
  const endpoints = content.endpoints.map((text) => new TextEncoder().encode(formatEndpoint(parseEndpoint(text))));
  if (endpoints.length < 1 || endpoints.length > MAX_QR_TOKEN_ENDPOINTS) {
    throw new PalyraError("invalid_argument", `A QR token carries 1 to ${MAX_QR_TOKEN_ENDPOINTS} endpoints.`);
  }
  if (endpoints.some((bytes) => bytes.length > 255)) {
    throw new PalyraError("invalid_argument", "An endpoint in a QR token has at most 255 characters.");
  }
  if (content.secret.length !== QR_SECRET_BYTES) throw new RangeError("a QR secret has 16 bytes");
  const endpointBytes = endpoints.reduce((total, bytes) => total + 1 + bytes.length, 0);
  const body = new Uint8Array(COUNT_AT + 1 + endpointBytes + CHECKSUM_BYTES);
  const view = new DataView(body.buffer);
  view.setUint16(0, body.length - LENGTH_BYTES);
  view.setUint16(EXPIRY_AT, Math.floor(content.expiresAt / 2 ** 32));
  view.setUint32(EXPIRY_AT + 2, content.expiresAt % 2 ** 32);
  body[KIND_AT] = KIND_CODES.indexOf(content.clientKind);
  body.set(ulidToBytes(content.codeId), CODE_ID_AT);
  body.set(content.secret, SECRET_AT);
  body.set(fingerprintBytes(content.caFingerprint), CA_AT);
  body[COUNT_AT] = endpoints.length;
  let at = COUNT_AT + 1;
  for (const bytes of endpoints) {
    body[at] = bytes.length;
    body.set(bytes, at + 1);
    at += 1 + bytes.length;
  }
  body.set(checksum(body.subarray(0, at)), at);
  const token = PREFIX + body.toBase64({ ...BASE64URL, omitPadding: true });
  if (token.length > MAX_QR_TOKEN_CHARACTERS) {
    throw new PalyraError(
      "invalid_argument",
      "The endpoints are too long for one QR token; give fewer or shorter ones.",
    );
  }
  return token;
}

/**
 * Reads a token, white space anywhere ignored (terminals wrap long lines). Throws `invalid_pairing_token`, with a
 * message that says whether it is no token, of a newer version, cut short, or mistyped; the token is never repeated.
 * Whether the code has expired is not judged here.
 */
export function parseQrToken(text: string): QrToken {
  const body = decodeBody(text);
  if (body.length < LENGTH_BYTES) throw truncated();
  const declared = LENGTH_BYTES + new DataView(body.buffer).getUint16(0);
  if (body.length < declared) throw truncated();
  if (body.length > declared) throw invalid("has something after its end; copy the token alone");
  const signed = body.subarray(0, Math.max(0, body.length - CHECKSUM_BYTES));
  if (!sameBytes(checksum(signed), body.subarray(signed.length))) {
    throw invalid("has a wrong checksum, so a character was changed; copy it again");
  }
  const token = decodeFields(signed);
  if (token === undefined) throw invalid("does not have the content of one; mint a new code");
  return token;
}

function decodeBody(text: string): Uint8Array<ArrayBuffer> {
  if (text.length > MAX_QR_TOKEN_CHARACTERS) throw invalid("is longer than 1,024 characters, so it is not a token");
  const compact = text.replaceAll(/\s/g, "");
  if (PREFIX.startsWith(compact) && compact !== "") throw truncated();
  const version = /^palyra([0-9]{1,6}):/.exec(compact)?.[1];
  if (version !== undefined && Number(version) > VERSION) {
    throw invalid("was made by a newer palyrad; update palyra-node");
  }
  const encoded = compact.slice(PREFIX.length);
  if (!compact.startsWith(PREFIX) || !/^[A-Za-z0-9_-]*$/.test(encoded)) {
    throw invalid(`is not a token, which begins with "${PREFIX}" and has only letters, digits, "-" and "_" after it`);
  }
  // A last group of one character is what is left of a cut one.
  if (encoded.length % 4 === 1) throw truncated();
  return Uint8Array.fromBase64(encoded, BASE64URL);
}

/** The fields of a body with a right checksum; undefined when its maker did not keep to the format. */
function decodeFields(body: Uint8Array<ArrayBuffer>): QrToken | undefined {
  if (body.length <= COUNT_AT) return undefined;
  const view = new DataView(body.buffer);
  const clientKind = KIND_CODES[body[KIND_AT] ?? KIND_CODES.length];
  const endpoints = decodeEndpoints(body);
  if (clientKind === undefined || endpoints === undefined) return undefined;
  const codeIdBytes = body.subarray(CODE_ID_AT, SECRET_AT);
  return new QrToken({
    endpoints,
    caFingerprint: body.subarray(CA_AT, COUNT_AT).toHex() as Fingerprint,
    codeId: bytesToUlid(codeIdBytes),
    secret: body.slice(SECRET_AT, CA_AT),
    expiresAt: unixMs(view.getUint16(EXPIRY_AT) * 2 ** 32 + view.getUint32(EXPIRY_AT + 2)),
    clientKind,
  });
}

function decodeEndpoints(body: Uint8Array): string[] | undefined {
  const count = body[COUNT_AT] ?? 0;
  if (count < 1 || count > MAX_QR_TOKEN_ENDPOINTS) return undefined;
  const endpoints: string[] = [];
  let at = COUNT_AT + 1;
  for (let position = 0; position < count; position++) {
    const length = body[at];
    if (length === undefined || at + 1 + length > body.length) return undefined;
    try {
      const text = new TextDecoder("utf-8", { fatal: true }).decode(body.subarray(at + 1, at + 1 + length));
      endpoints.push(formatEndpoint(parseEndpoint(text)));
    } catch {
      return undefined;
    }
    at += 1 + length;
  }
  return at === body.length ? endpoints : undefined;
}

function checksum(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(createHash("sha256").update(PREFIX).update(bytes).digest()).subarray(0, CHECKSUM_BYTES);
}

function truncated(): PalyraError {
  return invalid("is cut short; copy the whole of it");
}

function invalid(what: string): PalyraError {
  return new PalyraError("invalid_pairing_token", `The pairing token ${what}.`);
}
