import { CertificateAuthority } from "../../identity/certificate_authority.ts";
import { parseCertificateRequest } from "../../identity/certificate_request.ts";
import { newUlid, parseDeviceId } from "../../identity/device_id.ts";
import { RECOVERY_CHALLENGE_BYTES, RECOVERY_CHALLENGE_TTL_MS, verifyRecovery } from "../../identity/device_recovery.ts";
import type { Fingerprint } from "../../identity/fingerprint.ts";
import type { PalyraError } from "../../identity/palyra_error.ts";
import { secureRandomBytes } from "../../identity/random_bytes.ts";
import { systemClock } from "../../identity/unix_ms.ts";
import {
  type BeginDeviceRecoveryRequest,
  type CompleteDeviceRecoveryRequest,
  type CompleteDeviceRecoveryResponse,
  NodeServiceService,
} from "../../proto/gen/node.ts";
import { GrpcListener } from "../../transport/grpc/grpc_listener.ts";
import { openUnaryHandler } from "../../transport/grpc/unary_handler.ts";

const HOUR_MS = 3_600_000;

/** For tests: a real enrolment listener where one device may recover, rightly unless the test says otherwise. */
export class RecoveryServer implements AsyncDisposable {
  readonly ca: CertificateAuthority;
  /** Calls that reached the service. */
  begins = 0;
  completions: CompleteDeviceRecoveryRequest[] = [];
  /** How far its clock is ahead, in milliseconds. */
  aheadMs = 0;
  succession: Uint8Array[] = [];
  /** With what it refuses to begin. */
  refusal: PalyraError | undefined;
  /** Changes the answer, or throws in its place. */
  answer: (response: CompleteDeviceRecoveryResponse) => CompleteDeviceRecoveryResponse | Promise<never> = (response) =>
    response;
  readonly #devicePublicKey: Uint8Array;
  readonly #serverFingerprint: Fingerprint;
  #challenge: Uint8Array = new Uint8Array();
  #recoveryId = newUlid();
  #listener: GrpcListener | undefined;

  private constructor(ca: CertificateAuthority, devicePublicKey: Uint8Array, serverFingerprint: Fingerprint) {
    this.ca = ca;
    this.#devicePublicKey = devicePublicKey;
    this.#serverFingerprint = serverFingerprint;
  }

  static async start(
    devicePublicKey: Uint8Array,
    ca?: CertificateAuthority,
  ): Promise<RecoveryServer> {
    const authority = ca ?? await CertificateAuthority.create({ clock: systemClock });
    const certificate = await authority.issueServerCertificate({ names: [], addresses: [], validityMs: HOUR_MS });
    const server = new RecoveryServer(authority, devicePublicKey, certificate.fingerprint);
    server.#listener = await GrpcListener.start({
      hostname: "127.0.0.1",
      port: 0,
      mode: { kind: "server-only" },
      tls: {
        certificatePem: certificate.certificatePem + authority.certificatePem,
        keyPem: certificate.privateKeyPem,
        clientCaPem: [],
      },
      services: (grpc) =>
        grpc.addService(NodeServiceService, {
          beginDeviceRecovery: openUnaryHandler((request: BeginDeviceRecoveryRequest) => server.#begin(request)),
          completeDeviceRecovery: openUnaryHandler((request: CompleteDeviceRecoveryRequest) =>
            server.#complete(request)
          ),
        }),
      onRefused: () => {},
    });
    return server;
  }

  get endpoint(): string {
    return `127.0.0.1:${this.#listener?.address.port ?? 0}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#listener?.close({ graceMs: 0 });
  }

  #begin(_request: BeginDeviceRecoveryRequest) {
    this.begins += 1;
    if (this.refusal !== undefined) throw this.refusal;
    this.#challenge = secureRandomBytes(RECOVERY_CHALLENGE_BYTES);
    this.#recoveryId = newUlid();
    return {
      v: 1,
      recoveryId: this.#recoveryId,
      challenge: this.#challenge,
      expiresAtUnixMs: Date.now() + this.aheadMs + RECOVERY_CHALLENGE_TTL_MS,
      caSuccessionDer: this.succession,
    };
  }

  async #complete(request: CompleteDeviceRecoveryRequest): Promise<CompleteDeviceRecoveryResponse> {
    this.completions.push(request);
    const deviceId = parseDeviceId(request.deviceId?.ulid ?? "");
    verifyRecovery(this.#devicePublicKey, {
      recoveryId: this.#recoveryId,
      challenge: this.#challenge,
      deviceId,
      csrDer: request.csrDer,
      caFingerprint: this.ca.fingerprint,
      serverCertificateFingerprint: this.#serverFingerprint,
    }, request.signature);
    const issued = await this.ca.issueClientCertificate({
      deviceId,
      clientKind: "node",
      trustDomain: "palyra.test",
      publicKey: parseCertificateRequest(request.csrDer, deviceId).publicKey,
      validityMs: HOUR_MS,
    });
    return await this.answer({
      v: 1,
      mtlsClientCertificatePem: issued.certificatePem,
      certExpiresAtUnixMs: issued.expiresAt,
      trustBundlePem: this.ca.certificatePem,
      nodeEndpoints: [],
    });
  }
}
