import { BlockList, isIP } from "node:net";
import { PalyraError } from "../../identity/palyra_error.ts";

/** What {@linkcode checkBindAddress} judges. */
export interface BindRequest {
  /** The address or name to listen on, without port and without brackets. */
  readonly hostname: string;
  /** Whether the owner said `allow_remote = true` or `--allow-remote`. */
  readonly allowRemote: boolean;
  /** The names and addresses that the server certificate carries, and under which nodes reach the daemon. */
  readonly serverNames: readonly string[];
}

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet("127.0.0.0", 8, "ipv4");
LOOPBACK.addAddress("::1", "ipv6");

const UNSPECIFIED: ReadonlySet<string> = new Set(["0.0.0.0", "::", "::ffff:0:0"]);

// Names the server certificate always carries; they say nothing about where the machine can be reached.
const LOCAL_NAMES: ReadonlySet<string> = new Set(["localhost", "palyrad"]);

/**
 * Refuses to listen beyond this machine by accident (design section 7). Loopback is always fine. Anything else needs the
 * owner's explicit word and a server name that covers it: the address itself or a DNS name that may stand for it; for
 * "all addresses" any name but a loopback one. Names other than `localhost` are not resolved and count as remote.
 *
 * @throws {PalyraError} `invalid_config`, with the cure.
 */
export function checkBindAddress(request: BindRequest): void {
  const hostname = canonicalHost(request.hostname);
  if (hostname === "" || hostname.startsWith("[")) {
    throw new PalyraError(
      "invalid_config",
      `The listening address ${
        JSON.stringify(request.hostname)
      } is not one: give an address such as 127.0.0.1 or ::1, ` +
        "without brackets and without a port.",
    );
  }
  if (isLoopback(hostname)) return;
  if (!request.allowRemote) {
    throw new PalyraError(
      "invalid_config",
      `Listening on ${hostname} opens the daemon to other machines: set allow_remote = true (or --allow-remote) if that ` +
        "is meant, or listen on 127.0.0.1.",
    );
  }
  const advertised = request.serverNames.map(canonicalHost).filter((name) => !isLoopback(name) && !isUnspecified(name));
  const everywhere = isUnspecified(hostname);
  const covered = advertised.some((name) =>
    everywhere || name === hostname || (isIP(hostname) !== 0 && isDnsName(name))
  );
  if (covered) return;
  throw new PalyraError(
    "invalid_config",
    everywhere
      ? `Listening on ${hostname} needs at least one server name or address that other machines can reach: add it to the ` +
        "server names, so that the certificate carries it."
      : `No server name covers the listening address ${hostname}: add it (or the DNS name that stands for it) to the ` +
        "server names, so that the certificate carries it.",
  );
}

function isLoopback(host: string): boolean {
  if (LOCAL_NAMES.has(host)) return true;
  const family = isIP(host);
  return family !== 0 && LOOPBACK.check(host, family === 4 ? "ipv4" : "ipv6");
}

function isUnspecified(host: string): boolean {
  return UNSPECIFIED.has(host);
}

function isDnsName(host: string): boolean {
  return isIP(host) === 0;
}

/** Lower case, no trailing dot, no zone; IPv6 in its one canonical form (RFC 5952, by the URL parser). */
function canonicalHost(text: string): string {
  const host = text.trim().toLowerCase();
  if (isIP(host) !== 6) return host.endsWith(".") ? host.slice(0, -1) : host;
  const withoutZone = host.replace(/%.*$/, "");
  return new URL(`http://[${withoutZone}]`).hostname.slice(1, -1);
}
