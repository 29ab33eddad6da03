import { type AuthorityRoles, AuthoritySet } from "./authority_set.ts";
import {
  CertificateAuthority,
  type ClientCertificateOrder,
  type ServerCertificateOrder,
} from "./certificate_authority.ts";
import { parseTrustDomain } from "./certificate_names.ts";
import type { ClientKind } from "./client_kind.ts";
import type { CanonicalUlid } from "./device_id.ts";
import type { Fingerprint } from "./fingerprint.ts";
import type { IssuedCertificate, IssuedServerCertificate } from "./issued_certificate.ts";
import type { PairingMethod } from "./pairing_code.ts";
import { PairingSession } from "./pairing_session.ts";
import { PalyraError } from "./palyra_error.ts";
import { RevocationIndex } from "./revocation_index.ts";
import type { SecretStore } from "./secret_store.ts";
import { sourceOf } from "./source_address.ts";
import { SourceRateLimit } from "./source_rate_limit.ts";
import { readFirstAuthority, writeFirstAuthority } from "./stored_authority.ts";
import type { Clock } from "./unix_ms.ts";

/** Pairing sessions that may be open at once. */
export const MAX_PAIRING_SESSIONS = 256;

/** Pairing sessions that one source may have open; its next one ends its oldest. */
export const MAX_PAIRING_SESSIONS_PER_SOURCE = 16;

/** Pairing sessions that one source (an IPv4 address, an IPv6 /64) may open in {@linkcode PAIRING_START_WINDOW_MS}. */
export const MAX_PAIRING_STARTS_PER_SOURCE = 30;

/** The sliding window of the start rate, in milliseconds: one minute. */
export const PAIRING_START_WINDOW_MS = 60_000;

const MAX_REMEMBERED_SOURCES = 4_096;

/** A live pairing code, as the daemon stores it. */
export interface PairingCode {
  readonly codeId: CanonicalUlid;
  readonly method: PairingMethod;
  readonly key: Uint8Array;
  /** What a device may become with this code. */
  readonly clientKind: ClientKind;
}

/** What opens a pairing session. */
export interface BeginPairing {
  readonly code: PairingCode;
  /** What the device says it wants to become. */
  readonly clientKind: ClientKind;
  /** The certificate that the enrolment listener showed on this very connection. */
  readonly serverCertificateFingerprint: Fingerprint;
  /** The device's address without the port. */
  readonly address: string;
}

/** A session that waits for its completion, and whose it is. */
interface OpenSession {
  readonly session: PairingSession;
  readonly source: string;
}

/** The daemon's identity: its CAs, the pairing sessions that are open, and who is revoked. */
export class IdentityManager {
  readonly trustDomain: string;
  readonly revocations: RevocationIndex = new RevocationIndex();
  readonly #clock: Clock;
  readonly #starts: SourceRateLimit;
  // In the order in which they were opened: a Map keeps the order of insertion.
  readonly #sessions = new Map<CanonicalUlid, OpenSession>();
  #authorities: AuthoritySet;

  private constructor(authorities: AuthoritySet, trustDomain: string, clock: Clock) {
    this.#authorities = authorities;
    this.trustDomain = trustDomain;
    this.#clock = clock;
    this.#starts = new SourceRateLimit({
      starts: MAX_PAIRING_STARTS_PER_SOURCE,
      windowMs: PAIRING_START_WINDOW_MS,
      sources: MAX_REMEMBERED_SOURCES,
    }, clock);
  }

  /**
   * Loads the CAs that `roles` names from the secret store; without `roles` the first one, which is made when there is
   * none. Rejects with `state_damaged`, naming the file and the cure, when one is missing, only one half of it is there or
   * they do not fit; nothing that is there is ever overwritten. Also with `invalid_argument` at a bad trust domain, and
   * with what the secret store says.
   */
  static async open(
    options: {
      readonly secrets: SecretStore;
      readonly clock: Clock;
      readonly trustDomain: string;
      readonly roles?: AuthorityRoles | undefined;
    },
  ): Promise<IdentityManager> {
    const { secrets, clock, roles } = options;
    const trustDomain = parseTrustDomain(options.trustDomain);
    const authorities = roles === undefined
      ? AuthoritySet.of(await readFirstAuthority(secrets, clock) ?? await createAuthority(secrets, clock))
      : await AuthoritySet.load(secrets, roles, clock);
    return new IdentityManager(authorities, trustDomain, clock);
  }

  /** The CA that issues. */
  get ca(): CertificateAuthority {
    return this.#authorities.current;
  }

  /** Every CA, and what it counts for. */
  get authorities(): AuthoritySet {
    return this.#authorities;
  }

  /** PEM certificates of every CA that devices should trust, the one that issues first. */
  get trustBundlePem(): string {
    return this.#authorities.trustBundlePem;
  }

  /** How the CA that issues descends from those before it; see `followSuccession`. */
  get succession(): readonly Uint8Array[] {
    return this.#authorities.succession;
  }

  /** A step of a rotation is on the disk: from now on these count. */
  replaceAuthorities(authorities: AuthoritySet): void {
    this.#authorities = authorities;
  }

  /** How many pairing sessions are open. */
  get openSessions(): number {
    this.#prune();
    return this.#sessions.size;
  }

  /**
   * Counts a start of pairing by `address` (without its port); to be asked before anything is looked up. Throws
   * `rate_limited` when its source has started too often in the last minute.
   */
  countStart(address: string): void {
    if (!this.#starts.tryStart(sourceOf(address))) {
      throw new PalyraError(
        "rate_limited",
        `This address has opened ${MAX_PAIRING_STARTS_PER_SOURCE} pairing sessions within a minute; try again in a minute.`,
      );
    }
  }

  /**
   * Opens a pairing session for a live code. A source that has {@linkcode MAX_PAIRING_SESSIONS_PER_SOURCE} open loses its
   * oldest, and nobody else loses any, but that a session of a QR code, which only who holds its token can begin, takes
   * the place of one of a PIN. Throws `too_many_pairing_sessions` when 256 are open, and `invalid_argument` when the code
   * is for another client kind. Whether the code itself is live is the caller's to know.
   */
  beginPairing(begin: BeginPairing): PairingSession {
    if (begin.clientKind !== begin.code.clientKind) {
      throw new PalyraError(
        "invalid_argument",
        `This pairing code is for a device of kind \`${begin.code.clientKind}\`; pair with \`--kind ${begin.code.clientKind}\` ` +
          "or mint another code.",
      );
    }
    this.#prune();
    const source = sourceOf(begin.address);
    this.#makeRoom(source, begin.code.method);
    if (this.#sessions.size >= MAX_PAIRING_SESSIONS) {
      throw new PalyraError(
        "too_many_pairing_sessions",
        "Too many devices are pairing at this moment; try again in a few minutes.",
      );
    }
    const session = PairingSession.begin({
      codeId: begin.code.codeId,
      method: begin.code.method,
      codeKey: begin.code.key,
      clientKind: begin.clientKind,
      caFingerprint: this.ca.fingerprint,
      serverCertificateFingerprint: begin.serverCertificateFingerprint,
      clock: this.#clock,
    });
    this.#sessions.set(session.sessionId, { session, source });
    return session;
  }

  /**
   * Hands a session over for its one completion and forgets it. Throws `pairing_session_unknown` when there is none of
   * that id (any more), `pairing_session_expired` when its time is over.
   */
  takeSession(sessionId: string): PairingSession {
    const session = this.#sessions.get(sessionId as CanonicalUlid)?.session;
    if (session === undefined) {
      throw new PalyraError(
        "pairing_session_unknown",
        "There is no such pairing session: it was answered, it expired, or palyrad was restarted; start the pairing again.",
      );
    }
    this.#sessions.delete(session.sessionId);
    if (this.#clock() >= session.expiresAt) {
      throw new PalyraError("pairing_session_expired", "This pairing session has expired; start the pairing again.");
    }
    return session;
  }

  /** Ends every open session of a code that is spent, dead or replaced, so that none can be completed any more. */
  endSessionsOfCode(codeId: CanonicalUlid): number {
    const ended = [...this.#sessions.values()].filter(({ session }) => session.codeId === codeId);
    for (const { session } of ended) this.#sessions.delete(session.sessionId);
    return ended.length;
  }

  /** Issues a client certificate in this daemon's trust domain; see {@linkcode CertificateAuthority}. */
  issueClientCertificate(order: Omit<ClientCertificateOrder, "trustDomain">): Promise<IssuedCertificate> {
    return this.ca.issueClientCertificate({ ...order, trustDomain: this.trustDomain });
  }

  /** Issues a server certificate; see {@linkcode CertificateAuthority}. */
  issueServerCertificate(order: ServerCertificateOrder): Promise<IssuedServerCertificate> {
    return this.ca.issueServerCertificate(order);
  }

  #makeRoom(source: string, method: PairingMethod): void {
    const all = [...this.#sessions.values()];
    const own = all.filter((open) => open.source === source);
    const oldestPin = (open: typeof all) => open.find(({ session }) => session.method === "pin");
    let ended: typeof all[number] | undefined;
    if (own.length >= MAX_PAIRING_SESSIONS_PER_SOURCE) ended = oldestPin(own) ?? own[0];
    else if (method === "qr" && all.length >= MAX_PAIRING_SESSIONS) ended = oldestPin(all);
    if (ended !== undefined) this.#sessions.delete(ended.session.sessionId);
  }

  #prune(): void {
    const now = this.#clock();
    for (const { session } of this.#sessions.values()) {
      if (session.expiresAt <= now) this.#sessions.delete(session.sessionId);
    }
  }
}

async function createAuthority(secrets: SecretStore, clock: Clock): Promise<CertificateAuthority> {
  const authority = await CertificateAuthority.create({ clock });
  await writeFirstAuthority(secrets, authority);
  return authority;
}
