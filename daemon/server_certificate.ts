import { isIP } from "node:net";
import { getLogger } from "@logtape/logtape";
import type { AuthoritySet } from "../identity/authority_set.ts";
import type { IdentityManager } from "../identity/identity_manager.ts";
import type { IssuedServerCertificate } from "../identity/issued_certificate.ts";
import { certificateChainToPem } from "../identity/pem.ts";
import { type Clock, systemClock } from "../identity/unix_ms.ts";
import type { ServerTlsMaterial } from "../transport/server_tls_material.ts";
import { renewalIsDue } from "./certificate_life.ts";
import { CHECK_EVERY_MS, PeriodicCheck } from "./periodic_check.ts";

const log = getLogger(["palyra", "daemon", "certificate"]);

/** Life of the server certificate, in milliseconds: 7 days. */
export const SERVER_CERTIFICATE_VALIDITY_MS: number = 7 * 24 * 3_600_000;

/** How {@linkcode ServerCertificate} tells the time. */
export interface ServerCertificateTiming {
  /** The machine's clock by default. */
  readonly clock?: Clock;
  /** How often it looks whether renewal is due, in milliseconds; every minute by default. */
  readonly checkEveryMs?: number;
  /** How long each certificate is valid, in milliseconds; {@linkcode SERVER_CERTIFICATE_VALIDITY_MS} by default. */
  readonly validityMs?: number;
}

/**
 * The daemon's server certificate: made at start, kept in memory only, renewed when a third of its life is left and when
 * another CA issues.
 */
export class ServerCertificate {
  readonly #identity: IdentityManager;
  readonly #serverNames: readonly string[];
  readonly #onRenewed: (certificate: ServerCertificate) => void;
  readonly #clock: Clock;
  readonly #validityMs: number;
  readonly #check: PeriodicCheck;
  #current: IssuedServerCertificate;
  /** The CAs that the listeners know. */
  #authorities: AuthoritySet;
  #following: Promise<void> | undefined;

  private constructor(
    identity: IdentityManager,
    serverNames: readonly string[],
    onRenewed: (certificate: ServerCertificate) => void,
    current: IssuedServerCertificate,
    { clock = systemClock, checkEveryMs = CHECK_EVERY_MS, validityMs = SERVER_CERTIFICATE_VALIDITY_MS }:
      ServerCertificateTiming,
  ) {
    this.#identity = identity;
    this.#authorities = identity.authorities;
    this.#serverNames = serverNames;
    this.#onRenewed = onRenewed;
    this.#clock = clock;
    this.#validityMs = validityMs;
    this.#current = current;
    this.#check = new PeriodicCheck(() => this.follow(), checkEveryMs);
  }

  /** Issues the first one; `onRenewed` is called for each later one, and when other CAs count. */
  static async issue(
    identity: IdentityManager,
    serverNames: readonly string[],
    onRenewed: (certificate: ServerCertificate) => void,
    timing: ServerCertificateTiming = {},
  ): Promise<ServerCertificate> {
    const first = await issueFor(identity, serverNames, timing.validityMs ?? SERVER_CERTIFICATE_VALIDITY_MS);
    return new ServerCertificate(identity, serverNames, onRenewed, first, timing);
  }

  /** The certificate in use. */
  get current(): IssuedServerCertificate {
    return this.#current;
  }

  /** What the listeners for nodes and operators need of it. */
  get material(): ServerTlsMaterial {
    return this.#materialWith(this.#authorities.serverChain);
  }

  /** What the enrolment listener needs of it: devices read the CA itself from behind the leaf, and judge it themselves. */
  get enrolmentMaterial(): ServerTlsMaterial {
    return this.#materialWith([this.#authorities.current.certificateDer]);
  }

  /**
   * Makes another one where it is due, and has the listeners take it, or other CAs of clients, up. Resolves when they
   * have; what fails goes to the log and is tried again at the next look. Never rejects.
   */
  follow(): Promise<void> {
    // After the one under way, which may have looked before the change that this one is about.
    const following = (this.#following ?? Promise.resolve()).then(() => this.#follow());
    this.#following = following;
    return following;
  }

  /** Ends the renewal; resolves when one under way is done. */
  async stop(): Promise<void> {
    await this.#check.stop();
  }

  #materialWith(chain: readonly Uint8Array[]): ServerTlsMaterial {
    return {
      certificatePem: this.#current.certificatePem + certificateChainToPem(chain),
      keyPem: this.#current.privateKeyPem,
      clientCaPem: this.#authorities.trusted.map(({ certificatePem }) => certificatePem),
    };
  }

  async #follow(): Promise<void> {
    const [current, authorities] = [this.#current, this.#authorities];
    const wanted = this.#identity.authorities;
    const renews = renewalIsDue(current, this.#clock()) || current.caFingerprint !== wanted.current.fingerprint;
    if (!renews && authorities === wanted) return;
    try {
      if (renews) this.#current = await issueFor(this.#identity, this.#serverNames, this.#validityMs);
      this.#authorities = wanted;
      this.#onRenewed(this);
      if (renews) log.info("Server certificate renewed.", { fingerprint: this.#current.fingerprint });
    } catch (cause) {
      [this.#current, this.#authorities] = [current, authorities];
      log.error("The server certificate could not be renewed; it is tried again in a minute.", { cause });
    }
  }
}

async function issueFor(
  identity: IdentityManager,
  serverNames: readonly string[],
  validityMs: number,
): Promise<IssuedServerCertificate> {
  return await identity.issueServerCertificate({
    names: serverNames.filter((name) => isIP(name) === 0),
    addresses: serverNames.filter((name) => isIP(name) !== 0),
    validityMs,
  });
}
