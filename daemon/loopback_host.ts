import { isIP } from "node:net";

const HOST_HEADER = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9.-]+))(?::[0-9]{1,5})?$/;

/**
 * Whether a Host header names this machine by its loopback name or address, with or without a port.
 *
 * A page in a browser can make its own name resolve to 127.0.0.1 and then read what is served there (DNS rebinding);
 * its requests still carry that name, and no other site's name passes here.
 */
export function isLoopbackHost(header: string): boolean {
  const [, bracketed, plain = ""] = HOST_HEADER.exec(header.toLowerCase()) ?? [];
  if (bracketed !== undefined) return bracketed === "::1";
  return plain === "localhost" || (isIP(plain) === 4 && plain.startsWith("127."));
}
