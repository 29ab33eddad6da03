import { getLogger } from "@logtape/logtape";
import { parseCertificateFacts } from "../identity/certificate_facts.ts";
import type { Fingerprint } from "../identity/fingerprint.ts";
import { PalyraError } from "../identity/palyra_error.ts";
import { type Clock, systemClock, type UnixMs, unixMs } from "../identity/unix_ms.ts";
import type { ClientTlsMaterial } from "../transport/client_tls_material.ts";
import { ReconnectBackoff } from "../transport/program/reconnect_backoff.ts";
import { recoverDevice } from "./device_recovery.ts";
import type { ClientKeyPair } from "./client_key_pair.ts";
import type { RenewalFailure } from "./connection_status.ts";
import type { NodeCredentials } from "./node_credentials.ts";
import type { NodeHostRecord } from "./node_host_record.ts";
import type { NodeHostState } from "./node_host_state.ts";
import { MAX_RENEWAL_RETRY_MS, nextRenewalStep, type RenewalStep } from "./renewal_schedule.ts";
import { requestKeyPair } from "./renewed_key_pair.ts";
import { authoritiesOf, checkTrustBundle, type TrustHolder } from "./trust_bundle.ts";

const logger = getLogger(["palyra", "node_host", "certificate"]);

const FIRST_RETRY_MS = 1_000;

/** What {@linkcode CertificateRenewal} needs. */
export interface CertificateRenewalOptions {
  readonly state: NodeHostState;
  readonly record: NodeHostRecord;
  /** Those to start with. */
  readonly credentials: NodeCredentials;
  /** Ends the session that stands and opens another one at once. */
  readonly reconnect: () => void;
  /** Told when a renewal has succeeded or failed. */
  readonly onChange?: () => void;
  readonly clock?: Clock;
  /** Default: full jitter, 1 s to 5 min. */
  readonly backoff?: ReconnectBackoff;
}

/**
 * Keeps this machine's certificate valid while the host runs (design section 3): renews it at 2/3 of its life with a new
 * key, and hands the newest one to each dial.
 *
 * It asks only while a session stands: when none does, the daemon cannot be reached, and the supervisor tries that
 * already. The session goes on with the certificate with which it was opened, until less than a minute of that is left.
 * Then it is opened again, because no session should outlive what let it in; running work goes on meanwhile.
 */
export class CertificateRenewal implements TrustHolder {
  readonly #options: CertificateRenewalOptions;
  readonly #clock: Clock;
  readonly #backoff: ReconnectBackoff;
  #credentials: NodeCredentials;
  #dialled: NodeCredentials;
  #connected = false;
  /** Got by a recovery, and no session has stood since. */
  #recovered: NodeCredentials | undefined;
  #obtainedAt: UnixMs | undefined;
  /** Issued, but the disk would not take it; asking for another one would use up the daemon's patience. */
  #unstored: ClientKeyPair | undefined;
  #failure: RenewalFailure | undefined;
  #asked = false;
  #replaceSession = false;
  #wake: (() => void) | undefined;
  /** The change of the stored credentials under way; they are changed one at a time. */
  #change: Promise<unknown> = Promise.resolve();

  constructor(options: CertificateRenewalOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#backoff = options.backoff ?? new ReconnectBackoff({ baseMs: FIRST_RETRY_MS, maxMs: MAX_RENEWAL_RETRY_MS });
    this.#credentials = options.credentials;
    this.#dialled = options.credentials;
  }

  /** The newest credentials, all of which is on the disk. */
  get credentials(): NodeCredentials {
    return this.#credentials;
  }

  /** `notAfter` of the certificate that the last dial showed, those beside a session that stands aside. */
  get dialledExpiresAt(): UnixMs {
    return this.#dialled.expiresAt;
  }

  /** Why the last try failed; undefined when none has failed since the last success. */
  get failure(): RenewalFailure | undefined {
    return this.#failure;
  }

  /**
   * What a dial that begins now shows: the newest. A dial beside a session that stands may come to nothing, so that
   * session's certificate still counts; the one that takes its place is at most opened again once too often.
   */
  dialMaterial(): ClientTlsMaterial {
    if (!this.#connected) this.#dialled = this.#credentials;
    return this.#credentials.tlsMaterial();
  }

  /** The CAs of the daemon that this machine trusts. */
  get authorities(): readonly Fingerprint[] {
    return authoritiesOf(this.#credentials.trustedCaPem);
  }

  /** Trusts other CAs of the daemon, from the next dial on; see {@linkcode TrustHolder.adopt}. */
  adopt(trustBundlePem: string): Promise<readonly Fingerprint[]> {
    return this.#oneAtATime(async () => {
      const before = this.#credentials;
      const checked = await checkTrustBundle(trustBundlePem, before.trustedCaPem);
      if (checked !== before.trustedCaPem) {
        this.#credentials = await this.#options.state.storeTrustBundle(before, checked);
        // It is the same certificate still.
        if (this.#dialled === before) this.#dialled = this.#credentials;
        logger.info("The daemon's CAs have changed; {count} are trusted now.", {
          count: authoritiesOf(checked).length,
        });
      }
      return authoritiesOf(checked);
    });
  }

  /** Renews as soon as a session stands, although it is not due, and then opens the session again with what came of it. */
  renewNow(reason: string): void {
    logger.info("The daemon asks for a new certificate. {reason}", { reason });
    this.#asked = true;
    this.#wake?.();
  }

  /**
   * Gets another certificate by the device key, for the next dial. Rejects with what {@linkcode recoverDevice} rejects with,
   * with why it could not be stored, or with `occasion` when the certificate of the last recovery was never let in either.
   */
  recover(occasion: PalyraError, signal: AbortSignal): Promise<void> {
    const { state, record } = this.#options;
    return this.#oneAtATime(async () => {
      const before = this.#credentials;
      // A connection that breaks after its handshake looks like this, too; certificate after certificate mends no network.
      if (occasion.code === "certificate_untrusted" && this.#recovered === before) throw occasion;
      const tlsKey = await state.ensureRecoveryKey(before);
      const order = { record, credentials: before, tlsKey, occasion, clock: this.#clock };
      const { certificatePem, trustedCaPem } = await recoverDevice(order, signal);
      this.#credentials = await state.replaceCredentials(before, { tlsKey, certificatePem }, trustedCaPem);
      this.#recovered = this.#credentials;
      this.#obtainedAt = this.#clock();
      this.#unstored = undefined;
      this.#failure = undefined;
      this.#asked = false;
      this.#backoff.reset();
      logger.info("This machine has proved its device key and has another certificate, valid until {expiresAt}.", {
        expiresAt: new Date(this.#credentials.expiresAt).toISOString(),
      });
      this.#options.onChange?.();
      this.#wake?.();
    });
  }

  /** Tells whether a session stands. A renewal that is due begins as soon as one does. */
  connectionChanged(connected: boolean): void {
    if (connected === this.#connected) return;
    this.#connected = connected;
    if (connected) this.#recovered = undefined;
    this.#wake?.();
  }

  /** Renews until `signal` aborts; never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const step = this.#nextStep();
      switch (step.kind) {
        case "wait":
          // deno-lint-ignore no-await-in-loop -- one step after the other
          await this.#pause(step.ms, signal);
          break;
        case "renew":
          // deno-lint-ignore no-await-in-loop -- one step after the other
          await this.#renew(signal);
          break;
        case "reconnect":
          logger.info("Connecting again, with the new certificate.");
          this.#connected = false;
          this.#replaceSession = false;
          this.#options.reconnect();
          break;
      }
    }
  }

  #nextStep(): RenewalStep {
    const { renewsAt, expiresAt } = this.#credentials;
    return nextRenewalStep({
      now: this.#clock(),
      connected: this.#connected,
      renewsAt,
      expiresAt,
      obtainedAt: this.#obtainedAt,
      sessionExpiresAt: this.#dialled === this.#credentials ? undefined : this.#dialled.expiresAt,
      retryAt: this.#failure?.nextTryAt,
      asked: this.#asked,
      replaceSession: this.#replaceSession,
    });
  }

  async #renew(signal: AbortSignal): Promise<void> {
    const { state, record } = this.#options;
    // Asked again meanwhile, it is done again: what comes may be too old for that.
    const asked = this.#asked;
    this.#asked = false;
    try {
      // Another CA may issue than did before, and is about to be trusted.
      await this.#change;
      const order = { record, credentials: this.#credentials, clock: this.#clock };
      const pair = this.#unstored = this.#stillToStore() ?? await requestKeyPair(order, signal);
      await this.#oneAtATime(async () => {
        this.#credentials = await state.renewCredentials(this.#credentials, pair);
      });
    } catch (thrown) {
      this.#asked ||= asked;
      if (!signal.aborted) this.#failed(PalyraError.from(thrown));
      return;
    }
    this.#unstored = undefined;
    this.#failure = undefined;
    this.#replaceSession ||= asked;
    this.#obtainedAt = this.#clock();
    this.#backoff.reset();
    logger.info("The certificate was renewed; the new one is valid until {expiresAt} and serves the next connection.", {
      expiresAt: new Date(this.#credentials.expiresAt).toISOString(),
    });
    this.#options.onChange?.();
  }

  #oneAtATime<T>(change: () => Promise<T>): Promise<T> {
    const made = this.#change.then(change);
    this.#change = made.catch(() => {});
    return made;
  }

  #stillToStore(): ClientKeyPair | undefined {
    const pair = this.#unstored;
    if (pair === undefined) return undefined;
    return parseCertificateFacts(pair.certificatePem).notAfter > this.#clock() ? pair : undefined;
  }

  #failed(failure: PalyraError): void {
    // Said once, however often the same thing happens.
    const repeated = this.#failure?.code === failure.code;
    const nextTryAt = unixMs(this.#clock() + this.#backoff.nextDelayMs());
    this.#failure = { code: failure.code, message: failure.message, nextTryAt };
    const properties = {
      reason: failure.message,
      code: failure.code,
      expiresAt: new Date(this.#credentials.expiresAt).toISOString(),
      cause: failure.cause,
    };
    const sentence = "The certificate could not be renewed; the one in use is valid until {expiresAt}. {reason}";
    if (repeated) logger.debug(sentence, properties);
    else logger.warning(sentence, properties);
    this.#options.onChange?.();
  }

  /** Shorter when a session comes or goes. */
  async #pause(ms: number, signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const end = () => resolve();
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end, { once: true });
    this.#wake = end;
    try {
      await promise;
    } finally {
      this.#wake = undefined;
      signal.removeEventListener("abort", end);
      clearTimeout(timer);
    }
  }
}
