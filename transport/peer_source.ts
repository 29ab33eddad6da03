import { BlockList, isIPv6 } from "node:net";
import { sourceOf } from "../identity/source_address.ts";

/** Who is behind a connection, as far as its address tells; what limits per source count by. */
export interface PeerSource {
  /** An IPv4 address, an IPv6 /64 (`2001:db8:0:1::/64`), `local`, or `unknown` for a socket that is gone. */
  readonly key: string;
  /** The connection comes from this machine itself. */
  readonly local: boolean;
}

const LOCAL: PeerSource = { key: "local", local: true };
const UNKNOWN: PeerSource = { key: "unknown", local: false };

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet("127.0.0.0", 8, "ipv4");
LOOPBACK.addAddress("::1", "ipv6");

/**
 * The source of a TCP connection, from both its addresses.
 *
 * Everything local is one source: a local program has all of 127.0.0.0/8 to call from. So is a connection to one of
 * this machine's own addresses from that address. An IPv6 peer is known by its /64, as it may have every address in it.
 */
export function peerSource(remoteAddress: string | undefined, localAddress: string | undefined): PeerSource {
  if (remoteAddress === undefined) return UNKNOWN;
  const address = unmapped(remoteAddress);
  if (localAddress !== undefined && address === unmapped(localAddress)) return LOCAL;
  if (!isIPv6(address)) return LOOPBACK.check(address, "ipv4") ? LOCAL : { key: address, local: false };
  if (LOOPBACK.check(address, "ipv6")) return LOCAL;
  return { key: sourceOf(address), local: false };
}

/** The plain form of an IPv4 address that an IPv6 socket shows (RFC 4291, section 2.5.5.2), and no zone. */
function unmapped(address: string): string {
  const [plain = address] = address.split("%");
  return /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(plain)?.[1] ?? plain;
}
