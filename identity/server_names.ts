import { isIP } from "node:net";
import { SERVER_COMMON_NAME } from "./certificate_names.ts";
import { PalyraError } from "./palyra_error.ts";

/** The most names, and the most addresses, that one server certificate carries. */
export const MAX_SERVER_NAMES = 100;

const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const MAX_DNS_NAME_CHARACTERS = 253;

/**
 * The DNS names of a server certificate: `localhost` and `palyrad` first, then `names` in lower case, each once.
 * Throws `invalid_argument` at a name that is no DNS host name (a wildcard, an address, an underscore), or at too many.
 */
export function serverDnsNames(names: readonly string[]): string[] {
  checkCount(names.length);
  return [...new Set(["localhost", SERVER_COMMON_NAME, ...names.map(parseDnsName)])];
}

/**
 * The IP addresses of a server certificate: `127.0.0.1` and `::1` first, then `addresses` in canonical form, each once.
 * Throws `invalid_argument` at a text that is no address (a port, a prefix length, a zone), or at too many.
 */
export function serverAddresses(addresses: readonly string[]): string[] {
  checkCount(addresses.length);
  return [...new Set(["127.0.0.1", "::1", ...addresses.map(parseAddress)])];
}

function parseDnsName(text: string): string {
  const name = text.toLowerCase();
  const labels = name.split(".");
  const looksLikeAddress = /^[0-9]+$/.test(labels.at(-1) ?? "");
  if (name.length > MAX_DNS_NAME_CHARACTERS || looksLikeAddress || !labels.every((label) => LABEL.test(label))) {
    throw new PalyraError(
      "invalid_argument",
      "A name for the server certificate is not a DNS host name such as `gateway.example.org`; addresses go elsewhere.",
    );
  }
  return name;
}

function parseAddress(text: string): string {
  const version = text.includes("%") ? 0 : isIP(text);
  if (version === 0) {
    throw new PalyraError(
      "invalid_argument",
      "An address for the server certificate is not an IPv4 or IPv6 address without port, prefix length and zone.",
    );
  }
  // The URL parser writes IPv6 in the form of RFC 5952, so that two spellings of one address meet.
  return version === 4 ? text : new URL(`http://[${text}]`).hostname.slice(1, -1);
}

function checkCount(count: number): void {
  if (count > MAX_SERVER_NAMES) {
    throw new PalyraError(
      "invalid_argument",
      `A server certificate takes ${MAX_SERVER_NAMES} names and ${MAX_SERVER_NAMES} addresses at most.`,
    );
  }
}
