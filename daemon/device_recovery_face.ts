import { isCanonicalUlid, parseDeviceId } from "../identity/device_id.ts";
import { PalyraError } from "../identity/palyra_error.ts";
import type {
  BeginDeviceRecoveryRequest,
  BeginDeviceRecoveryResponse,
  CompleteDeviceRecoveryRequest,
  CompleteDeviceRecoveryResponse,
} from "../proto/gen/node.ts";
import type { DeviceRecoveryDesk } from "./device_recovery_desk.ts";

const PROTOCOL_VERSION = 1;

/** What {@linkcode DeviceRecoveryFace} needs. */
export interface DeviceRecoveryFaceOptions {
  readonly desk: DeviceRecoveryDesk;
  /** PEM certificates of every CA that devices should trust. */
  readonly trustBundlePem: () => string;
  /** See `BeginDeviceRecoveryResponse.ca_succession_der`. */
  readonly succession: () => readonly Uint8Array[];
  /** Where sessions are opened, `host:port`, best first. */
  readonly nodeEndpoints: () => readonly string[];
}

/** The recovery calls of NodeService, which the enrolment listener serves to devices whose certificate is of no use any more. */
export class DeviceRecoveryFace {
  readonly #options: DeviceRecoveryFaceOptions;

  constructor(options: DeviceRecoveryFaceOptions) {
    this.#options = options;
  }

  /** Gives a challenge, and what leads from the CA that the device may know to the one of today. */
  begin(request: BeginDeviceRecoveryRequest, remoteAddress: string): BeginDeviceRecoveryResponse {
    checkVersion(request.v);
    const { desk, succession } = this.#options;
    const { recoveryId, challenge, expiresAt } = desk.begin(parseDeviceId(request.deviceId?.ulid ?? ""), remoteAddress);
    return {
      v: PROTOCOL_VERSION,
      recoveryId,
      challenge,
      expiresAtUnixMs: expiresAt,
      caSuccessionDer: [...succession()],
    };
  }

  /** Takes the device's proof and hands over the certificate. */
  async complete(
    request: CompleteDeviceRecoveryRequest,
    remoteAddress: string,
  ): Promise<CompleteDeviceRecoveryResponse> {
    checkVersion(request.v);
    const { desk, trustBundlePem, nodeEndpoints } = this.#options;
    const { recoveryId, csrDer, signature } = request;
    if (!isCanonicalUlid(recoveryId)) throw new PalyraError("invalid_argument", "The recovery id is not a ULID.");
    const deviceId = parseDeviceId(request.deviceId?.ulid ?? "");
    const certificate = await desk.complete({ recoveryId, deviceId, csrDer, signature }, remoteAddress);
    return {
      v: PROTOCOL_VERSION,
      mtlsClientCertificatePem: certificate.pem,
      certExpiresAtUnixMs: certificate.expiresAt,
      trustBundlePem: trustBundlePem(),
      nodeEndpoints: [...nodeEndpoints()],
    };
  }
}

function checkVersion(version: number): void {
  if (version === PROTOCOL_VERSION) return;
  throw new PalyraError(
    "protocol_mismatch",
    `This daemon speaks recovery protocol ${PROTOCOL_VERSION}, the device ${version}. Bring both to one version.`,
  );
}
