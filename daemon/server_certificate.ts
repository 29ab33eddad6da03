import { isIP } from "node:net";
import { getLogger } from "@logtape/logtape";
import type { IdentityManager } from "../identity/identity_manager.ts";
import type { IssuedServerCertificate } from "../identity/issued_certificate.ts";
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
}

/** The daemon's server certificate: made at start, kept in memory only, renewed when a third of its life is left. */
export class ServerCertificate {
  readonly #identity: IdentityManager;
  readonly #serverNames: readonly string[];
  readonly #onRenewed: (material: ServerTlsMaterial) => void;
  readonly #clock: Clock;
  readonly #check: PeriodicCheck;
  #current: IssuedServerCertificate;

  private constructor(
    identity: IdentityManager,
    serverNames: readonly string[],
    onRenewed: (material: ServerTlsMaterial) => void,
    current: IssuedServerCertificate,
    { clock = systemClock, checkEveryMs = CHECK_EVERY_MS }: ServerCertificateTiming,
  ) {
    this.#identity = identity;
    this.#serverNames = serverNames;
    this.#onRenewed = onRenewed;
    this.#clock = clock;
    this.#current = current;
    this.#check = new PeriodicCheck(() => this.#renewIfDue(), checkEveryMs);
  }

  /** Issues the first one; `onRenewed` gets each later one. */
  static async issue(
    identity: IdentityManager,
    serverNames: readonly string[],
    onRenewed: (material: ServerTlsMaterial) => void,
    timing: ServerCertificateTiming = {},
  ): Promise<ServerCertificate> {
    const first = await issueFor(identity, serverNames);
    return new ServerCertificate(identity, serverNames, onRenewed, first, timing);
  }

  /** The certificate in use. */
  get current(): IssuedServerCertificate {
    return this.#current;
  }

  /** What a listener needs of it. */
  get material(): ServerTlsMaterial {
    const { certificatePem } = this.#identity.ca;
    return {
      certificatePem: `${this.#current.certificatePem}${certificatePem}`,
      keyPem: this.#current.privateKeyPem,
      clientCaPem: [certificatePem],
    };
  }

  /** Ends the renewal; resolves when one under way is done. */
  async stop(): Promise<void> {
    await this.#check.stop();
  }

  async #renewIfDue(): Promise<void> {
    if (!renewalIsDue(this.#current, this.#clock())) return;
    const before = this.#current;
    try {
      this.#current = await issueFor(this.#identity, this.#serverNames);
      this.#onRenewed(this.material);
      log.info("Server certificate renewed.", { fingerprint: this.#current.fingerprint });
    } catch (cause) {
      this.#current = before;
      log.error("The server certificate could not be renewed; it is tried again in a minute.", { cause });
    }
  }
}

async function issueFor(identity: IdentityManager, serverNames: readonly string[]): Promise<IssuedServerCertificate> {
  return await identity.issueServerCertificate({
    names: serverNames.filter((name) => isIP(name) === 0),
    addresses: serverNames.filter((name) => isIP(name) !== 0),
    validityMs: SERVER_CERTIFICATE_VALIDITY_MS,
  });
}
