import { followSuccession } from "../identity/ca_succession.ts";
import { CERTIFICATE_BACKDATE_MS } from "../identity/certificate_authority.ts";
import { parseCertificateFacts } from "../identity/certificate_facts.ts";
import { createCertificateRequest } from "../identity/certificate_request.ts";
import { isCanonicalUlid } from "../identity/device_id.ts";
import { RECOVERY_CHALLENGE_BYTES, RECOVERY_CHALLENGE_TTL_MS, signRecovery } from "../identity/device_recovery.ts";
import { PalyraError } from "../identity/palyra_error.ts";
import { certificateChainToPem, derToPem, pemToDer, pemToDers } from "../identity/pem.ts";
import { sameBytes } from "../identity/same_bytes.ts";
import type { TlsKey } from "../identity/tls_key.ts";
import type { Clock } from "../identity/unix_ms.ts";
import type { BeginDeviceRecoveryResponse } from "../proto/gen/node.ts";
import { durationText } from "../transport/program/relative_time.ts";
import { EnrolmentConnection } from "./enrolment_connection.ts";
import { checkIssuedCertificate } from "./issued_certificate_check.ts";
import type { NodeCredentials } from "./node_credentials.ts";
import type { NodeHostRecord } from "./node_host_record.ts";
import { checkTrustBundle } from "./trust_bundle.ts";

const PROTOCOL_VERSION = 1;

/** Who recovers, and where. */
export interface RecoveryOrder {
  readonly record: NodeHostRecord;
  /** Those that are of no use any more; their device key proves who this is, their CAs whom it believes. */
  readonly credentials: NodeCredentials;
  /** For which a certificate is asked. */
  readonly tlsKey: TlsKey;
  /** For what the daemon could not be reached as usual. */
  readonly occasion: PalyraError;
  readonly clock: Clock;
}

/** What a recovery brings. */
export interface RecoveredCertificate {
  readonly certificatePem: string;
  /** The CAs to trust from now on. */
  readonly trustedCaPem: string;
}

/**
 * Gets another certificate by proving the device key on the daemon's enrolment listener (design section 3). Nothing is
 * stored. The server must come from a CA that this machine trusts, or from one to which the daemon's succession leads;
 * before that nothing is signed.
 *
 * Rejects with the daemon's word (`device_revoked`, `device_unknown`, `recovery_forbidden`, `rate_limited`, …), with
 * `daemon_unreachable`, `daemon_untrusted`, `clock_off` when the clocks are so far apart that the certificate would be of no
 * use here, or `cancelled`.
 */
export async function recoverDevice(order: RecoveryOrder, signal: AbortSignal): Promise<RecoveredCertificate> {
  let failure: PalyraError | undefined;
  for (const endpoint of order.record.enrolmentEndpoints) {
    try {
      // deno-lint-ignore no-await-in-loop -- the next endpoint is asked only when this one is not the daemon
      return await recoverAt(endpoint, order, signal);
    } catch (thrown) {
      const error = PalyraError.from(thrown);
      if (error.code !== "daemon_unreachable" && error.code !== "daemon_untrusted") throw error;
      // That somebody else answered matters more than that nobody did.
      if (failure?.code !== "daemon_untrusted") failure = error;
    }
  }
  throw failure ?? new PalyraError("state_damaged", "The record of this machine does not say where it was paired.");
}

async function recoverAt(
  endpoint: string,
  { credentials, tlsKey, occasion, clock }: RecoveryOrder,
  signal: AbortSignal,
): Promise<RecoveredCertificate> {
  const { identity } = credentials;
  const { deviceId } = identity;
  using connection = await EnrolmentConnection.open(endpoint, { caFingerprint: undefined, clock, signal });
  const begun = await begin(connection, credentials, signal);
  const { recoveryId, challenge, caSuccessionDer } = begun;
  const trusted = await trustedAuthorities(connection, credentials, caSuccessionDer, occasion);
  if (!isCanonicalUlid(recoveryId) || challenge.length !== RECOVERY_CHALLENGE_BYTES) throw malformed();
  checkClocks(begun, credentials, clock);
  const csrDer = await createCertificateRequest({ deviceId, tlsKey });
  const signature = signRecovery(identity, { ...connection.observed, recoveryId, challenge, deviceId, csrDer });
  const answer = await connection.completeRecovery({
    v: PROTOCOL_VERSION,
    recoveryId,
    deviceId: { ulid: deviceId },
    csrDer,
    signature,
  });
  const trustedCaPem = await checkTrustBundle(answer.trustBundlePem, certificateChainToPem(trusted));
  const certificatePem = answer.mtlsClientCertificatePem;
  await checkIssuedCertificate({
    certificatePem,
    caPem: trustedCaPem,
    caFingerprint: undefined,
    deviceId,
    tlsKey,
    now: clock(),
    occasion: "recovery",
  });
  // What was checked and nothing that came with it.
  return { certificatePem: derToPem(pemToDer(certificatePem), "CERTIFICATE"), trustedCaPem };
}

/**
 * Asks for the challenge. Before the succession has come, nobody but a server of a CA that is trusted is known to be the
 * daemon: what somebody else refuses with, and would end this host for good, says nothing.
 */
async function begin(
  connection: EnrolmentConnection,
  { identity: { deviceId }, trustedCaPem }: NodeCredentials,
  signal: AbortSignal,
): Promise<BeginDeviceRecoveryResponse> {
  try {
    return await connection.beginRecovery({ v: PROTOCOL_VERSION, deviceId: { ulid: deviceId } });
  } catch (cause) {
    if (signal.aborted || pemToDers(trustedCaPem).some((der) => sameBytes(der, connection.caDer))) throw cause;
    throw new PalyraError(
      "daemon_untrusted",
      `What answers at ${connection.endpoint} begins no recovery, and does not show that it is the daemon that this ` +
        "machine is paired with. Nothing was proved to it. Check the address, and that nobody is between.",
      { cause },
    );
  }
}

/** The CAs to trust, the server's own among them; throws `daemon_untrusted`. */
async function trustedAuthorities(
  { endpoint, caDer }: EnrolmentConnection,
  { trustedCaPem }: NodeCredentials,
  succession: readonly Uint8Array[],
  occasion: PalyraError,
): Promise<Uint8Array[]> {
  const known = pemToDers(trustedCaPem);
  // Another certificate does not make somebody else of whoever answers in the daemon's place.
  if (occasion.code === "daemon_untrusted" && known.some((der) => sameBytes(der, caDer))) throw occasion;
  const trusted = await followSuccession(known, succession, caDer);
  if (trusted !== undefined) return trusted;
  throw new PalyraError(
    "daemon_untrusted",
    `What answers at ${endpoint} is not the daemon that this machine is paired with: nothing leads from the CA that is ` +
      "trusted to its own. Nothing was proved to it. Check the address, and that nobody is between; if the daemon was set " +
      "up anew, pair again with `palyra-node pair --force`.",
  );
}

/** What the daemon issues now must be valid by this machine's clock, or getting it would only use up its patience. */
function checkClocks(
  { expiresAtUnixMs }: BeginDeviceRecoveryResponse,
  credentials: NodeCredentials,
  clock: Clock,
): void {
  const aheadMs = clock() - (expiresAtUnixMs - RECOVERY_CHALLENGE_TTL_MS);
  const { notBefore, notAfter } = parseCertificateFacts(credentials.certificatePem);
  const lifeMs = notAfter - notBefore - CERTIFICATE_BACKDATE_MS;
  if (aheadMs >= -CERTIFICATE_BACKDATE_MS && aheadMs < Math.max(lifeMs, CERTIFICATE_BACKDATE_MS)) return;
  const difference = durationText(Math.abs(aheadMs));
  throw new PalyraError(
    "clock_off",
    `This machine's clock is ${difference} ${
      aheadMs > 0 ? "ahead of" : "behind"
    } the daemon's, so no certificate of its ` +
      "is valid here. Set this machine's clock, for example by `timedatectl set-ntp true`; the rest happens by itself.",
  );
}

function malformed(): PalyraError {
  return new PalyraError(
    "protocol_mismatch",
    "The daemon's challenge is malformed; make sure that palyrad and palyra-node are of matching versions.",
  );
}
