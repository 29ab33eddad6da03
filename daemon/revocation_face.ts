import { getLogger } from "@logtape/logtape";
import { X509Certificate } from "node:crypto";
import type { CertificateAuthority } from "../identity/certificate_authority.ts";
import type { RevocationListEntry } from "../identity/certificate_revocation_list.ts";
import { derToPem } from "../identity/pem.ts";
import type { Clock } from "../identity/unix_ms.ts";
import type {
  DeviceView,
  GetRevocationListResponse,
  RevocationListView,
  RevokeCertificateRequest,
} from "../proto/gen/admin.ts";
import { deviceView } from "./admin_views.ts";
import { SUPERSEDED_REASON } from "./certificate_refusal.ts";
import type { DeviceAdministration } from "./device_administration.ts";
import type { DeviceRegistry, KnownPeer } from "./device_registry.ts";
import { isLocalOperator } from "./local_operator.ts";
import type { NodeRuntimeState } from "./node_runtime_state.ts";
import { RENEWED_REASON } from "./operator_credentials.ts";
import { operatorName } from "./operator_name.ts";
import type { CertificateRecord } from "./store/device_record.ts";
import type { Store } from "./store/store.ts";

const log = getLogger(["palyra", "daemon", "revocation"]);

/** What {@linkcode RevocationFace} needs. */
export interface RevocationFaceOptions {
  readonly store: Store;
  readonly devices: DeviceRegistry;
  readonly runtime: NodeRuntimeState;
  readonly administration: Pick<DeviceAdministration, "revokeCertificate">;
  /** The CAs whose certificates the daemon accepts, the one that issues first. */
  readonly authorities: () => readonly CertificateAuthority[];
  /** Makes the local operator another certificate where the one there is was revoked. */
  readonly renewOperator: () => Promise<void>;
  readonly clock: Clock;
}

/** What of AdminService is about revoked certificates. */
export class RevocationFace {
  readonly #options: RevocationFaceOptions;

  constructor(options: RevocationFaceOptions) {
    this.#options = options;
  }

  /** Revokes one certificate; its device stays paired. */
  async revokeCertificate(request: RevokeCertificateRequest, operator: KnownPeer): Promise<DeviceView> {
    const { administration, devices, runtime, renewOperator } = this.#options;
    const { fingerprint, reason } = request;
    const device = await administration.revokeCertificate(fingerprint, reason, operatorName(operator.device));
    if (isLocalOperator(device)) {
      // Not waited for: the connection that the answer goes by may be about to be cut.
      renewOperator().catch((cause: unknown) =>
        log.error("The operator certificate could not be renewed; it is tried again in a minute.", { cause })
      );
    }
    return deviceView(device, devices, runtime);
  }

  /** An X.509 list of the revoked certificates of each CA, signed now. */
  async getRevocationList(): Promise<GetRevocationListResponse> {
    const { store, clock, authorities } = this.#options;
    const revoked = await store.transaction((tx) => tx.devices.listRevoked(clock()));
    const lists = authorities().map(async (ca): Promise<RevocationListView> => {
      const entries = revoked.filter(({ caFingerprint }) => caFingerprint === ca.fingerprint).map(entryOf);
      const pem = derToPem(await ca.issueRevocationList(entries), "X509 CRL");
      return { caFingerprint: ca.fingerprint, pem, entries: entries.length };
    });
    return { lists: await Promise.all(lists) };
  }
}

const REPLACED: ReadonlySet<string> = new Set([SUPERSEDED_REASON, RENEWED_REASON]);

function entryOf({ pem, issuedAt, revokedAt, revokedReason = "" }: CertificateRecord): RevocationListEntry {
  return {
    serialHex: new X509Certificate(pem).serialNumber.toLowerCase(),
    revokedAt: revokedAt ?? issuedAt,
    reason: REPLACED.has(revokedReason) ? "superseded" : "privilege_withdrawn",
  };
}
