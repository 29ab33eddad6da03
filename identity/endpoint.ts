import { isIP, isIPv6 } from "node:net";
import { PalyraError } from "./palyra_error.ts";

/** Where something listens. */
export interface Endpoint {
  /** A DNS name or an IP address, IPv6 without brackets. */
  readonly host: string;
  /** 1 to 65535. */
  readonly port: number;
}

/** The longest endpoint text: a DNS name of 253 characters, a colon and five digits. */
export const MAX_ENDPOINT_CHARACTERS = 259;

const ENDPOINT = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.-]+)):([0-9]{1,5})$/;
const HOST_NAME = /^(?!-)[A-Za-z0-9-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9-]{1,63}(?<!-))*$/;

/** Parses `host:port` or `[IPv6]:port`; throws `invalid_argument`. */
export function parseEndpoint(text: string): Endpoint {
  const [, bracketed, plain, digits] = text.length <= MAX_ENDPOINT_CHARACTERS ? ENDPOINT.exec(text) ?? [] : [];
  const port = Number(digits ?? 0);
  const hostIsGood = bracketed !== undefined
    ? isIPv6(bracketed)
    : plain !== undefined && (isIP(plain) === 4 || isHostName(plain));
  if (!hostIsGood || port < 1 || port > 65_535) {
    throw new PalyraError(
      "invalid_argument",
      "An endpoint is written host:port, for example gateway.example.org:7445, 192.0.2.7:7445 or [2001:db8::7]:7445.",
    );
  }
  return { host: bracketed ?? plain ?? "", port };
}

/** Writes an endpoint as {@linkcode parseEndpoint} reads it. */
export function formatEndpoint(endpoint: Endpoint): string {
  return `${isIPv6(endpoint.host) ? `[${endpoint.host}]` : endpoint.host}:${endpoint.port}`;
}

// A last label of digits only is a mistyped IPv4 address, not a name.
function isHostName(text: string): boolean {
  return text.length <= 253 && HOST_NAME.test(text) && !/(^|\.)[0-9]+$/.test(text);
}
