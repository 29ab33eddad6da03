import { PalyraError } from "../../identity/palyra_error.ts";
import type { Authorize, PeerCertificate } from "../session.ts";
import { type CallConnection, peerOf } from "./call_peer.ts";

/** The caller of a call, checked again; throws what `authorize` says, and `certificate_missing`. */
export function authorizedPeer(call: CallConnection, authorize: Authorize): PeerCertificate {
  const peer = peerOf(call);
  if (peer === undefined) {
    throw new PalyraError(
      "certificate_missing",
      "This call needs a client certificate. Use the node RPC port with the certificate from pairing.",
    );
  }
  const refusal = authorize(peer);
  if (refusal !== undefined) throw refusal;
  return peer;
}
