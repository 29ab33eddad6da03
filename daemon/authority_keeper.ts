import { getLogger } from "@logtape/logtape";
import { type AuthoritySet, MAX_RETIRING_AUTHORITIES } from "../identity/authority_set.ts";
import { CertificateAuthority } from "../identity/certificate_authority.ts";
import { parseCertificateFacts } from "../identity/certificate_facts.ts";
import { type Fingerprint, shortFingerprint } from "../identity/fingerprint.ts";
import type { IdentityManager } from "../identity/identity_manager.ts";
import { PalyraError } from "../identity/palyra_error.ts";
import { type AuthorityFiles, removeAuthority, writeAuthority } from "../identity/stored_authority.ts";
import type { Clock, UnixMs } from "../identity/unix_ms.ts";
import { type AuditAct, DAEMON_ACTOR } from "./audit/audit_act.ts";
import { readAuthorityRecord, writeAuthorityRecord } from "./authority_record.ts";
import type { DeviceRegistry } from "./device_registry.ts";
import type { Store } from "./store/store.ts";

const log = getLogger(["palyra", "daemon", "authority"]);

/** CAs whose files are looked for at each start, in case the removal of some of them has failed. */
const MAX_DISCARDED = 16;

/** What {@linkcode AuthorityKeeper} needs. */
export interface AuthorityKeeperOptions {
  readonly store: Store;
  readonly secrets: AuthorityFiles;
  readonly identity: IdentityManager;
  readonly devices: DeviceRegistry;
  readonly clock: Clock;
}

/**
 * Takes each step of a CA's rotation on the disk. A step is one transaction, its audit record included: files of a CA
 * are written before the store names it, and removed after it has ceased to. So the daemon may be killed at any moment,
 * and comes back before the step or after it.
 */
export class AuthorityKeeper {
  readonly #options: AuthorityKeeperOptions;
  /** The step under way; steps are taken one at a time. */
  #step: Promise<unknown> = Promise.resolve();
  /** Found without use at the last look. */
  #unused: readonly Fingerprint[] = [];

  constructor(options: AuthorityKeeperOptions) {
    this.#options = options;
  }

  /** The first step: makes another CA, to be trusted. Throws `rotation_under_way`. */
  introduce(actor: string): Promise<void> {
    return this.#oneAtATime(async () => {
      const { identity: { authorities }, secrets, clock } = this.#options;
      if (authorities.next !== undefined) {
        throw new PalyraError(
          "rotation_under_way",
          "A rotation of the CA was begun already. Go on with `palyrad ca rotate --complete`, or give it up with " +
            "`palyrad ca rotate --abort`.",
        );
      }
      if (authorities.retiring.length >= MAX_RETIRING_AUTHORITIES) {
        throw new PalyraError(
          "rotation_under_way",
          `${authorities.retiring.length} earlier CAs are still retiring. Wait until their last certificates have ` +
            "expired; `palyrad ca show` tells how many there are.",
        );
      }
      const next = await CertificateAuthority.create({ clock });
      await writeAuthority(secrets, next);
      const details = { current: authorities.current.fingerprint };
      const subject = next.fingerprint;
      await this.#change(authorities.introducing(next), { kind: "ca.rotation_begun", actor, subject, details });
    });
  }

  /**
   * The second step: the CA that was introduced issues. Throws `rotation_not_begun`, or `clock_off` when that CA was made
   * while the clock was wrong: nobody could be let in by it, and there would be no way back.
   *
   * @param forced whether nodes were passed over that do not trust it yet; for the audit.
   * @param judged the CA for which that was looked at; one that another operator has introduced in its place is not taken.
   */
  complete(actor: string, forced: boolean, judged?: Fingerprint): Promise<void> {
    return this.#oneAtATime(async () => {
      const { identity: { authorities }, clock } = this.#options;
      const { next } = authorities;
      if (judged !== undefined && next !== undefined && next.fingerprint !== judged) {
        throw new PalyraError(
          "rotation_not_begun",
          "Meanwhile another operator has given that rotation up and begun another one; look at `palyrad ca show`.",
        );
      }
      if (next !== undefined) checkIsValid(next, clock());
      const after = await authorities.completed();
      const details = { previous: authorities.current.fingerprint, forced };
      const subject = after.current.fingerprint;
      await this.#change(after, { kind: "ca.rotation_completed", actor, subject, details });
    });
  }

  /** Back before the first step. Throws `rotation_not_begun`; after the second step there is no way back. */
  abort(actor: string): Promise<void> {
    return this.#oneAtATime(async () => {
      const { authorities } = this.#options.identity;
      const { next, retiring } = authorities;
      if (next === undefined) {
        throw new PalyraError(
          "rotation_not_begun",
          retiring.length === 0
            ? "No rotation of the CA was begun, so there is none to give up."
            : "The rotation is complete: the new CA issues already. To be rid of that one, rotate again.",
        );
      }
      const subject = next.fingerprint;
      await this.#change(authorities.aborted(), { kind: "ca.rotation_aborted", actor, subject, details: {} }, [
        subject,
      ]);
    });
  }

  /**
   * Retires each CA that no valid certificate comes from any more; the answer is whether there was one. Only at the
   * second look that finds it so: a certificate may be under way to a device that its CA issued in its last moment.
   */
  retireUnused(): Promise<boolean> {
    return this.#oneAtATime(async () => {
      const { authorities } = this.#options.identity;
      const unused = authorities.retiring.filter(({ fingerprint }) => this.validCertificates(fingerprint) === 0);
      const [retired] = unused.filter(({ fingerprint }) => this.#unused.includes(fingerprint));
      this.#unused = unused.map(({ fingerprint }) => fingerprint);
      if (retired === undefined) return false;
      const subject = retired.fingerprint;
      const act: AuditAct = { kind: "ca.retired", actor: DAEMON_ACTOR, subject, details: {} };
      await this.#change(authorities.without([retired]), act, [subject]);
      log.info("The CA {fingerprint} was retired: no valid certificate of it is left.", {
        fingerprint: shortFingerprint(subject),
      });
      return true;
    });
  }

  /** How many client certificates of a CA are valid: not expired, not revoked, and their device is paired. */
  validCertificates(authority: Fingerprint): number {
    const { devices, clock } = this.#options;
    const now = clock();
    let count = 0;
    for (const { deviceId, status } of devices.all()) {
      if (status !== "paired") continue;
      for (const { caFingerprint, revokedAt, expiresAt } of devices.certificatesOf(deviceId)) {
        if (caFingerprint === authority && revokedAt === undefined && expiresAt > now) count++;
      }
    }
    return count;
  }

  async #change(after: AuthoritySet, act: AuditAct, discarded: readonly Fingerprint[] = []): Promise<void> {
    const { store, secrets, identity, clock } = this.#options;
    await store.transaction(async (tx) => {
      const earlier = (await readAuthorityRecord(tx))?.discarded ?? [];
      const all = [...earlier, ...discarded].slice(-MAX_DISCARDED);
      await writeAuthorityRecord(tx, { ...after.roles, discarded: all });
      await tx.audit.append(act, clock());
    });
    identity.replaceAuthorities(after);
    await discardAuthorities(secrets, discarded);
  }

  #oneAtATime<T>(step: () => Promise<T>): Promise<T> {
    const taken = this.#step.then(step);
    this.#step = taken.catch(() => {});
    return taken;
  }
}

function checkIsValid({ certificateDer, expiresAt }: CertificateAuthority, now: UnixMs): void {
  const { notBefore } = parseCertificateFacts(certificateDer);
  if (notBefore <= now && now < expiresAt) return;
  throw new PalyraError(
    "clock_off",
    `The next CA is valid from ${new Date(notBefore).toISOString()} to ${
      new Date(expiresAt).toISOString()
    }, and this ` +
      `machine's clock says ${
        new Date(now).toISOString()
      }. Set the clock; if it was wrong when the rotation was begun, ` +
      "give that one up with `palyrad ca rotate --abort` and begin again.",
  );
}

/** Removes the files of CAs that the store names no more; what fails is tried again at the next start. */
export async function discardAuthorities(secrets: AuthorityFiles, discarded: readonly Fingerprint[]): Promise<void> {
  for (const fingerprint of discarded) {
    try {
      // deno-lint-ignore no-await-in-loop -- one or two
      await removeAuthority(secrets, fingerprint);
    } catch (cause) {
      log.error("The key of a CA that counts no more could not be removed; it is tried again at the next start.", {
        fingerprint: shortFingerprint(fingerprint),
        cause,
      });
    }
  }
}
