import { createCertificateRequest } from "../identity/certificate_request.ts";
import { PalyraError } from "../identity/palyra_error.ts";
import { derToPem, pemToDer } from "../identity/pem.ts";
import { TlsKey } from "../identity/tls_key.ts";
import type { Clock } from "../identity/unix_ms.ts";
import { callUnary } from "../transport/grpc/unary_call.ts";
import type { ClientKeyPair } from "./client_key_pair.ts";
import { checkIssuedCertificate } from "./issued_certificate_check.ts";
import type { NodeCredentials } from "./node_credentials.ts";
import type { NodeHostRecord } from "./node_host_record.ts";
import { callOwnDaemon } from "./own_daemon_call.ts";

const PROTOCOL_VERSION = 1;

/** Who asks for a further certificate, and where. */
export interface KeyPairOrder {
  readonly record: NodeHostRecord;
  /** Those in use; the call shows their certificate. */
  readonly credentials: NodeCredentials;
  readonly clock: Clock;
}

/**
 * Makes a new TLS key and has the daemon certify it. Nothing is stored. Rejects with what the daemon said, with why it
 * could not be asked, or with `daemon_untrusted` or `clock_off` when its answer is not what was asked for.
 */
export async function requestKeyPair(
  { record, credentials, clock }: KeyPairOrder,
  signal: AbortSignal,
): Promise<ClientKeyPair> {
  const { deviceId } = credentials.identity;
  const tlsKey = await TlsKey.generate();
  const csrDer = await createCertificateRequest({ deviceId, tlsKey });
  const request = { v: PROTOCOL_VERSION, deviceId: { ulid: deviceId }, replay: undefined, csrDer };
  const answer = await callOwnDaemon(
    record,
    credentials,
    (client) => callUnary(client, client.rotateDeviceCertificate, request, { signal }),
  );
  if (!answer.rotated) {
    throw new PalyraError(
      "protocol_mismatch",
      "The daemon answered without issuing a certificate; make sure that palyrad and palyra-node are of matching versions.",
    );
  }
  await checkIssuedCertificate({
    certificatePem: answer.mtlsClientCertificatePem,
    caPem: credentials.trustedCaPem,
    // After a rotation of the daemon's CA the one that was pinned counts no more; what is trusted now does.
    caFingerprint: undefined,
    deviceId,
    tlsKey,
    now: clock(),
    occasion: "renewal",
  });
  // What was checked and nothing that came with it.
  return { tlsKey, certificatePem: derToPem(pemToDer(answer.mtlsClientCertificatePem), "CERTIFICATE") };
}
