import { join } from "node:path";

/** Where the running host is reached by its owner's commands. */
export type ChannelAddress =
  /** A Unix socket (0600) in the state folder (0700). */
  | { readonly kind: "socket"; readonly path: string }
  /** A loopback port and a secret, both in a private file of the state folder. */
  | { readonly kind: "loopback"; readonly file: string };

// sun_path holds 104 bytes on macOS and 108 on Linux, its end included.
const MAX_SOCKET_PATH_BYTES = 103;

/**
 * A Unix socket, since only its owner can open it. A loopback port with a secret where there are none (Deno has them on
 * Unix only), or where the state folder's path is longer than a socket's may be.
 */
export function channelAddress(stateFolder: string, os: string = Deno.build.os): ChannelAddress {
  const path = join(stateFolder, "requests.sock");
  if (os !== "windows" && new TextEncoder().encode(path).length <= MAX_SOCKET_PATH_BYTES) {
    return { kind: "socket", path };
  }
  return { kind: "loopback", file: join(stateFolder, "requests-endpoint.json") };
}
