import { isIP } from "node:net";

const GROUP_BITS = 16;
const PREFIX_GROUPS = 4;

/**
 * Whom an address stands for when starts are counted: an IPv4 address as it is, of an IPv6 address its /64, which is what
 * one household or one machine is given (RFC 6177), so that nobody gets a new share with every address in it. What is not
 * an address stands for itself.
 *
 * @param address without port; brackets and a zone (`%eth0`) do not matter.
 */
export function sourceOf(address: string): string {
  const [plain = ""] = address.replace(/^\[(.*)\]$/, "$1").split("%");
  if (isIP(plain) !== 6) return plain;
  const groups = groupsOf(plain);
  // An IPv4 address in IPv6 notation (RFC 4291, 2.5.5.2), as a listener on both families shows it.
  if (groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff) {
    return groups.slice(6).flatMap((group) => [group >> 8, group & 0xff]).join(".");
  }
  return `${groups.slice(0, PREFIX_GROUPS).map((group) => group.toString(16)).join(":")}::/${
    PREFIX_GROUPS * GROUP_BITS
  }`;
}

/** The eight groups of a valid IPv6 address. */
function groupsOf(address: string): number[] {
  const [head = "", tail] = address.split("::");
  const first = partOf(head);
  if (tail === undefined) return first;
  const last = partOf(tail);
  return [...first, ...Array<number>(8 - first.length - last.length).fill(0), ...last];
}

function partOf(text: string): number[] {
  if (text === "") return [];
  return text.split(":").flatMap((group) => {
    if (!group.includes(".")) return [Number.parseInt(group, 16)];
    const [a = 0, b = 0, c = 0, d = 0] = group.split(".").map(Number);
    return [a << 8 | b, c << 8 | d];
  });
}
