import { CERTIFICATE_BACKDATE_MS, type CertificateAuthority } from "../identity/certificate_authority.ts";
import { parseCertificateFacts } from "../identity/certificate_facts.ts";
import type { IdentityManager } from "../identity/identity_manager.ts";
import {
  type AuthorityCertificateView,
  AuthorityProgressView,
  type AuthorityView,
  type CompleteAuthorityRotationRequest,
} from "../proto/gen/admin.ts";
import type { AuthorityKeeper } from "./authority_keeper.ts";
import type { AuthorityRotation } from "./authority_rotation.ts";
import type { DeviceRegistry, KnownPeer } from "./device_registry.ts";
import { pageOf } from "./list_page.ts";
import { isLocalOperator } from "./local_operator.ts";
import type { NodeRuntimeState } from "./node_runtime_state.ts";
import type { NodeSessionServer } from "./node_session_server.ts";
import { operatorName } from "./operator_name.ts";
import type { ServerCertificate } from "./server_certificate.ts";
import type { DeviceRecord } from "./store/device_record.ts";

/** What {@linkcode AuthorityFace} needs. */
export interface AuthorityFaceOptions {
  readonly identity: IdentityManager;
  readonly keeper: AuthorityKeeper;
  readonly rotation: AuthorityRotation;
  readonly certificate: ServerCertificate;
  readonly devices: DeviceRegistry;
  readonly runtime: NodeRuntimeState;
  readonly sessions: NodeSessionServer;
}

/** The calls of AdminService about the daemon's CAs. The listener has established that the caller is an operator. */
export class AuthorityFace {
  readonly #options: AuthorityFaceOptions;

  constructor(options: AuthorityFaceOptions) {
    this.#options = options;
  }

  /** The CAs, and how far a rotation has come. */
  getAuthority(): AuthorityView {
    const { identity, certificate, devices } = this.#options;
    const { current, next, retiring } = identity.authorities;
    const phase = next !== undefined ? "introducing" : retiring.length > 0 ? "retiring" : "stable";
    const paired = phase === "stable"
      ? []
      : devices.list().filter((device) => device.status === "paired" && !isLocalOperator(device));
    const views = paired.values().map((device) => this.#progress(device));
    const { entries, cut } = pageOf(views, (view) => AuthorityProgressView.encode(view).finish().length);
    return {
      authorities: [
        ...retiring.map((each) => this.#view(each, "retiring")),
        this.#view(current, "current"),
        ...next === undefined ? [] : [this.#view(next, "next")],
      ],
      phase,
      progress: entries,
      cut,
      serverCertificateExpiresAtUnixMs: certificate.current.expiresAt,
      serverCertificateFingerprint: certificate.current.fingerprint,
    };
  }

  /** The first step of a rotation. */
  async begin(operator: KnownPeer): Promise<AuthorityView> {
    await this.#options.rotation.begin(operatorName(operator.device));
    return this.getAuthority();
  }

  /** The second step. */
  async complete({ force }: CompleteAuthorityRotationRequest, operator: KnownPeer): Promise<AuthorityView> {
    await this.#options.rotation.complete(operatorName(operator.device), force);
    return this.getAuthority();
  }

  /** Gives a rotation up, between the two. */
  async abort(operator: KnownPeer): Promise<AuthorityView> {
    await this.#options.rotation.abort(operatorName(operator.device));
    return this.getAuthority();
  }

  #view(authority: CertificateAuthority, role: "next" | "current" | "retiring"): AuthorityCertificateView {
    const { fingerprint, certificatePem, expiresAt } = authority;
    return {
      fingerprint,
      certificatePem,
      role,
      createdAtUnixMs: parseCertificateFacts(authority.certificateDer).notBefore + CERTIFICATE_BACKDATE_MS,
      expiresAtUnixMs: expiresAt,
      validCertificates: this.#options.keeper.validCertificates(fingerprint),
    };
  }

  #progress({ deviceId, deviceName }: DeviceRecord): AuthorityProgressView {
    const { identity, devices, sessions, runtime } = this.#options;
    const { fingerprint } = identity.authorities.newest;
    return {
      deviceId,
      deviceName,
      connected: runtime.connection(deviceId) !== undefined,
      trustsNewest: sessions.trusts(deviceId, fingerprint),
      hasNewestCertificate: devices.certificatesOf(deviceId).some((certificate) =>
        certificate.caFingerprint === fingerprint && certificate.firstUsedAt !== undefined &&
        certificate.revokedAt === undefined
      ),
    };
  }
}
