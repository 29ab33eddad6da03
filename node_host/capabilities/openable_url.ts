import { PalyraError } from "../../identity/palyra_error.ts";

/** The longest URL that is opened, in bytes of UTF-8. */
export const MAX_URL_BYTES: number = 8 * 1024;

// Controls, format characters (zero width, bidirectional overrides), lone surrogates and every kind of space: a URL has
// none of them. The URL parser would drop tabs and line ends silently, so the owner would see another text than runs.
const NEVER_IN_A_URL = /[\p{Cc}\p{Cf}\p{Cs}\p{Z}\\]/u;

// Exactly scheme, two slashes and a host. The URL parser also takes `http:host` and `http:////host`.
const WEB_URL = /^https?:\/\/([^/?#]+)/i;

const HOST = /^(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])$/;

/**
 * Checks a URL that a peer wants opened and returns it in the normal form of the URL standard. Only http and https, a
 * host, no credentials, nothing that reads differently to a person and to a browser. Fragments are fine. Throws
 * `invalid_input`.
 */
export function parseOpenableUrl(text: string): string {
  if (new TextEncoder().encode(text).byteLength > MAX_URL_BYTES) {
    throw refusal(`is longer than ${MAX_URL_BYTES} bytes; shorten it`);
  }
  if (NEVER_IN_A_URL.test(text)) {
    throw refusal("has spaces, control characters or backslashes in it; percent-encode them");
  }
  const authority = WEB_URL.exec(text)?.[1];
  if (authority === undefined) throw refusal("must begin with http:// or https:// and a host; nothing else is opened");
  if (authority.includes("@")) throw refusal("carries credentials before an @; leave them out");
  const url = URL.parse(text);
  if (url === null || !HOST.test(url.hostname)) throw refusal("has no valid host; check its spelling");
  if ((url.protocol !== "https:" && url.protocol !== "http:") || url.username !== "" || url.password !== "") {
    throw refusal("must be http or https without credentials");
  }
  if (url.href.length > MAX_URL_BYTES) throw refusal(`is longer than ${MAX_URL_BYTES} bytes; shorten it`);
  return url.href;
}

function refusal(complaint: string): PalyraError {
  return new PalyraError("invalid_input", `input.url: ${complaint}.`);
}
