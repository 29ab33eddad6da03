import { isIPv6 } from "node:net";
import type { Host } from "./quiche_addon.ts";

/** Whether two addresses, written as a socket writes them, are the same. */
export function sameAddress(one: Host, other: Host): boolean {
  return one.port === other.port && one.host === other.host;
}

/** An address of people, written as a socket writes where its datagrams come from: IPv6 has many ways to be written. */
export function asSocketsWrite({ host, port }: Host): Host {
  const url = `http://[${host}]`;
  if (!isIPv6(host) || !URL.canParse(url)) return { host, port };
  const plain = new URL(url).hostname.slice(1, -1);
  const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(plain);
  return { host: mapped === null ? plain : `::ffff:${ipv4Of(mapped[1])}.${ipv4Of(mapped[2])}`, port };
}

/** Two bytes of an IPv4 address, from the hexadecimal number that IPv6 writes for them. */
function ipv4Of(group = ""): string {
  const number = Number.parseInt(group, 16);
  return `${number >> 8}.${number & 0xff}`;
}
