import { isIP } from "node:net";
import { getLogger } from "@logtape/logtape";
import type { IdentityManager } from "../identity/identity_manager.ts";
import type { IssuedServerCertificate } from "../identity/issued_certificate.ts";
import type { TlsMaterial } from "../transport/grpc/tls_front.ts";

const log = getLogger(["palyra", "daemon", "certificate"]);

/** Life of the server certificate, in milliseconds: 7 days. */
export const SERVER_CERTIFICATE_VALIDITY_MS: number = 7 * 24 * 3_600_000;

/** A timer can wait 24.8 days at most; this is well below. */
const RENEW_AFTER = 2 / 3;

/** The daemon's server certificate: made at start, kept in memory only, renewed at two thirds of its life. */
export class ServerCertificate {
  readonly #identity: IdentityManager;
  readonly #serverNames: readonly string[];
  readonly #onRenewed: (material: TlsMaterial) => void;
  #current: IssuedServerCertificate;
  #timer: ReturnType<typeof setTimeout> | undefined;

  private constructor(
    identity: IdentityManager,
    serverNames: readonly string[],
    onRenewed: (material: TlsMaterial) => void,
    current: IssuedServerCertificate,
  ) {
    this.#identity = identity;
    this.#serverNames = serverNames;
    this.#onRenewed = onRenewed;
    this.#current = current;
    this.#schedule();
  }

  /** Issues the first one; `onRenewed` gets each later one. */
  static async issue(
    identity: IdentityManager,
    serverNames: readonly string[],
    onRenewed: (material: TlsMaterial) => void,
  ): Promise<ServerCertificate> {
    return new ServerCertificate(identity, serverNames, onRenewed, await issueFor(identity, serverNames));
  }

  /** The certificate in use. */
  get current(): IssuedServerCertificate {
    return this.#current;
  }

  /** What a listener needs of it. */
  get material(): TlsMaterial {
    const { certificatePem } = this.#identity.ca;
    return {
      certificatePem: `${this.#current.certificatePem}${certificatePem}`,
      keyPem: this.#current.privateKeyPem,
      clientCaPem: [certificatePem],
    };
  }

  /** Ends the renewal. */
  stop(): void {
    clearTimeout(this.#timer);
  }

  #schedule(): void {
    const lifeMs = this.#current.expiresAt - this.#current.issuedAt;
    this.#timer = setTimeout(() => void this.#renew(), lifeMs * RENEW_AFTER);
  }

  async #renew(): Promise<void> {
    try {
      this.#current = await issueFor(this.#identity, this.#serverNames);
      this.#onRenewed(this.material);
      log.info("Server certificate renewed.", { fingerprint: this.#current.fingerprint });
    } catch (cause) {
      log.error("The server certificate could not be renewed; it is tried again.", { cause });
    }
    this.#schedule();
  }
}

async function issueFor(identity: IdentityManager, serverNames: readonly string[]): Promise<IssuedServerCertificate> {
  return await identity.issueServerCertificate({
    names: serverNames.filter((name) => isIP(name) === 0),
    addresses: serverNames.filter((name) => isIP(name) !== 0),
    validityMs: SERVER_CERTIFICATE_VALIDITY_MS,
  });
}
