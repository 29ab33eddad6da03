import type { QuicPeer } from "./quic_peer.ts";

/** The implementations that are compared, by the name that the processes know them by. */
export const QUIC_IMPLEMENTATIONS = ["endpoint", "built_in", "package"] as const;

/** One of {@linkcode QUIC_IMPLEMENTATIONS}. */
export type QuicImplementation = (typeof QUIC_IMPLEMENTATIONS)[number];

/** Loads one implementation; the others stay out of the process. */
export async function loadQuicPeer(name: string | undefined): Promise<QuicPeer> {
  switch (name) {
    case "endpoint":
      return new (await import("./endpoint_peer.ts")).EndpointPeer();
    case "built_in":
      return new (await import("./built_in_peer.ts")).BuiltInPeer();
    case "package":
      return new (await import("./package_peer.ts")).PackagePeer();
    default:
      throw new Error(`no QUIC implementation is named ${name}`);
  }
}
