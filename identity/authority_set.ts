import { MAX_SUCCESSION_LINKS } from "./ca_succession.ts";
import type { CertificateAuthority } from "./certificate_authority.ts";
import type { Fingerprint } from "./fingerprint.ts";
import { PalyraError } from "./palyra_error.ts";
import { certificateChainToPem } from "./pem.ts";
import { type AuthorityReader, readAuthority } from "./stored_authority.ts";
import type { Clock } from "./unix_ms.ts";

/** CAs that may be retiring at once: who rotates oftener than certificates expire has to wait. */
export const MAX_RETIRING_AUTHORITIES = 3;

/** Which CA counts for what. What is not named counts for nothing, whatever files there are. */
export interface AuthorityRoles {
  /** Issues. */
  readonly current: Fingerprint;
  /** Trusted already, and issues from the second step of the rotation on. */
  readonly next?: Fingerprint | undefined;
  /** Issued before; what they issued is accepted until it has expired. Oldest first. */
  readonly retiring: readonly Fingerprint[];
  /** How `current` descends from CAs before it, oldest first: links of `CertificateAuthority.certifySuccessor`, DER. */
  readonly succession: readonly Uint8Array[];
}

/** The CAs of a daemon at one moment of their rotation (design section 3). Never changed: each step makes another one. */
export class AuthoritySet {
  readonly current: CertificateAuthority;
  readonly next: CertificateAuthority | undefined;
  readonly retiring: readonly CertificateAuthority[];
  readonly succession: readonly Uint8Array[];

  private constructor(parts: Pick<AuthoritySet, "current" | "next" | "retiring" | "succession">) {
    this.current = parts.current;
    this.next = parts.next;
    this.retiring = parts.retiring;
    this.succession = parts.succession;
  }

  /** One CA that nothing has happened to. */
  static of(current: CertificateAuthority): AuthoritySet {
    return new AuthoritySet({ current, next: undefined, retiring: [], succession: [] });
  }

  /** Reads those that `roles` names. Rejects with `state_damaged` when one is missing or damaged. */
  static async load(secrets: AuthorityReader, roles: AuthorityRoles, clock: Clock): Promise<AuthoritySet> {
    const load = async (fingerprint: Fingerprint): Promise<CertificateAuthority> => {
      const authority = await readAuthority(secrets, fingerprint, clock);
      if (authority !== undefined) return authority;
      throw new PalyraError(
        "state_damaged",
        `The CA ${
          fingerprint.slice(0, 16)
        } in ${secrets.folder} is missing or not the one whose devices are paired here. ` +
          "Restore that folder from a backup; to begin anew, move the whole state folder away, and pair every device again.",
      );
    };
    const [current, next, retiring] = await Promise.all([
      load(roles.current),
      roles.next && load(roles.next),
      Promise.all(roles.retiring.map(load)),
    ]);
    return new AuthoritySet({ current, next, retiring, succession: roles.succession });
  }

  /** What {@linkcode AuthoritySet.load} makes this set of again. */
  get roles(): AuthorityRoles {
    return {
      current: this.current.fingerprint,
      next: this.next?.fingerprint,
      retiring: this.retiring.map(({ fingerprint }) => fingerprint),
      succession: this.succession,
    };
  }

  /** The one that issues or is about to. */
  get newest(): CertificateAuthority {
    return this.next ?? this.current;
  }

  /** Every CA that devices should trust, and whose client certificates are accepted; the one that issues first. */
  get trusted(): readonly CertificateAuthority[] {
    return [this.current, ...this.next === undefined ? [] : [this.next], ...this.retiring.toReversed()];
  }

  /** The certificates of {@linkcode AuthoritySet.trusted} as one PEM text. */
  get trustBundlePem(): string {
    return certificateChainToPem(this.trusted.map(({ certificateDer }) => certificateDer));
  }

  /**
   * What a server shows devices behind its leaf, DER: the CA that issued it, and while the one before retires the link
   * from that one. So a device that missed the rotation, and trusts the one before, still finds its way from it to the
   * leaf. The link comes first: BoringSSL goes no further than the first that could have issued the leaf.
   */
  get serverChain(): readonly Uint8Array[] {
    const link = this.retiring.length === 0 ? undefined : this.succession.at(-1);
    return link === undefined ? [this.current.certificateDer] : [link, this.current.certificateDer];
  }

  /** The first step: `next` is to be trusted. */
  introducing(next: CertificateAuthority): AuthoritySet {
    return new AuthoritySet({ ...this.#parts, next });
  }

  /** Back before the first step. */
  aborted(): AuthoritySet {
    return new AuthoritySet({ ...this.#parts, next: undefined });
  }

  /** The second step: `next` issues, and the one before it retires. Rejects with `rotation_not_begun`. */
  async completed(): Promise<AuthoritySet> {
    const { current, next, retiring, succession } = this;
    if (next === undefined) {
      throw new PalyraError(
        "rotation_not_begun",
        "No rotation of the CA was begun; begin one with `palyrad ca rotate`.",
      );
    }
    const link = await current.certifySuccessor(next);
    return new AuthoritySet({
      current: next,
      next: undefined,
      retiring: [...retiring, current],
      // A device that was off for longer than that pairs again.
      succession: [...succession, link].slice(-MAX_SUCCESSION_LINKS),
    });
  }

  /** Without those of the retiring ones. */
  without(retired: readonly CertificateAuthority[]): AuthoritySet {
    return new AuthoritySet({ ...this.#parts, retiring: this.retiring.filter((each) => !retired.includes(each)) });
  }

  get #parts(): Pick<AuthoritySet, "current" | "next" | "retiring" | "succession"> {
    const { current, next, retiring, succession } = this;
    return { current, next, retiring, succession };
  }
}
