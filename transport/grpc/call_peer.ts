import { fingerprintOf } from "../../identity/fingerprint.ts";
import type { PeerCertificate } from "../session.ts";
import { formatRemoteAddress } from "../remote_address.ts";

/** What a gRPC call of any shape tells about its connection. */
export interface CallConnection {
  /** `address:port`, without brackets for IPv6. */
  getPeer(): string;
  getAuthContext(): { sslPeerCertificate?: { raw?: Uint8Array } | undefined };
}

/** The peer by its certificate's DER: all calls of one connection show the same array. */
const peers = new WeakMap<Uint8Array, PeerCertificate>();

/** The certificate that the caller's connection was made with; undefined on a listener that asks for none. */
export function peerOf(call: CallConnection): PeerCertificate | undefined {
  const raw = call.getAuthContext().sslPeerCertificate?.raw;
  if (raw === undefined || raw.length === 0) return undefined;
  let peer = peers.get(raw);
  if (peer === undefined) peers.set(raw, peer = { fingerprint: fingerprintOf(raw), der: raw });
  return peer;
}

/** `address:port` of the caller. */
export function remoteAddressOf(call: CallConnection): string {
  const text = call.getPeer();
  const portAt = text.lastIndexOf(":");
  const port = Number(text.slice(portAt + 1));
  if (portAt < 0 || !Number.isInteger(port)) return text;
  return formatRemoteAddress(text.slice(0, portAt), port);
}
