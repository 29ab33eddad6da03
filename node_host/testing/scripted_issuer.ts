import type { CertificateAuthority } from "../../identity/certificate_authority.ts";
import { parseCertificateRequest } from "../../identity/certificate_request.ts";
import { type DeviceId, parseDeviceId } from "../../identity/device_id.ts";
import type { Fingerprint } from "../../identity/fingerprint.ts";
import type { RotateDeviceCertificateRequest, RotateDeviceCertificateResponse } from "../../proto/gen/node.ts";

const DAY_MS = 86_400_000;

/** A node's request for a further certificate. */
export interface Rotation {
  readonly deviceId: DeviceId;
  /** Of the CSR, SubjectPublicKeyInfo. */
  readonly publicKey: Uint8Array;
  /** Of the certificate that the caller showed. */
  readonly caller: Fingerprint;
}

/** What a daemon answers: the PEM text that it hands over, or a rejection with what it says instead. */
export type RotationAnswer = (rotation: Rotation) => Promise<string>;

/** For tests: the part of a daemon that issues further certificates, rightly unless the test says otherwise. */
export class ScriptedIssuer {
  readonly #ca: CertificateAuthority;
  /** What was asked for, oldest first. */
  readonly rotations: Rotation[] = [];
  /** What it answers next, one after the other; then it issues what was asked for. */
  readonly answers: RotationAnswer[] = [];

  constructor(ca: CertificateAuthority) {
    this.#ca = ca;
  }

  /** A node's certificate; by default from its own CA and valid for a day. */
  async issue({ deviceId, publicKey }: Rotation, { ca = this.#ca, validityMs = DAY_MS } = {}): Promise<string> {
    const order = { deviceId, publicKey, clientKind: "node", trustDomain: "palyra.test", validityMs } as const;
    return (await ca.issueClientCertificate(order)).certificatePem;
  }

  async rotate(
    request: RotateDeviceCertificateRequest,
    caller: Fingerprint,
  ): Promise<RotateDeviceCertificateResponse> {
    const deviceId = parseDeviceId(request.deviceId?.ulid ?? "");
    const { publicKey } = parseCertificateRequest(request.csrDer, deviceId);
    const rotation = { deviceId, publicKey, caller };
    this.rotations.push(rotation);
    const mtlsClientCertificatePem = await (this.answers.shift()?.(rotation) ?? this.issue(rotation));
    return { v: 1, rotated: true, reason: "rotated", mtlsClientCertificatePem, certExpiresAtUnixMs: 0 };
  }
}
