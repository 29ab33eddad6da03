import assert from "node:assert/strict";
import { join } from "node:path";
import { createCertificateRequest } from "../../identity/certificate_request.ts";
import type { ClientKind } from "../../identity/client_kind.ts";
import { type DeviceId, newDeviceId } from "../../identity/device_id.ts";
import { DeviceIdentity } from "../../identity/device_identity.ts";
import { type Fingerprint, fingerprintOf } from "../../identity/fingerprint.ts";
import { IdentityManager } from "../../identity/identity_manager.ts";
import { PairingAttempt } from "../../identity/pairing_attempt.ts";
import type { PairingChallenge } from "../../identity/pairing_message.ts";
import { PalyraError } from "../../identity/palyra_error.ts";
import { parseQrToken } from "../../identity/qr_token.ts";
import type { ReasonCode } from "../../identity/reason_code.ts";
import { SecretStore } from "../../identity/secret_store.ts";
import { TlsKey } from "../../identity/tls_key.ts";
import { type Clock, systemClock, type UnixMs } from "../../identity/unix_ms.ts";
import { DeviceRegistry } from "../device_registry.ts";
import type { HeldCode } from "../pairing_code_book.ts";
import type { PairingDecision } from "../pairing_decision.ts";
import { type MintedCode, type MintOrder, PairingDesk, type PairingOutcome } from "../pairing_desk.ts";
import type { CertificateRecord } from "../store/device_record.ts";
import { SqliteStore } from "../store/sqlite/sqlite_store.ts";

/** The enrolment listener's certificate. */
const SERVER: Fingerprint = fingerprintOf(new TextEncoder().encode("the server's certificate"));

/** Where completions come from. */
export const FROM = "192.0.2.7:50000";

export const HOUR_MS = 3_600_000;

/** A plain approval. */
export const APPROVE: PairingDecision = { approve: true, reason: "known", operator: "operator", replace: false };

/** A desk on a real store, with a clock that can be moved. */
export class PairingBench implements AsyncDisposable {
  now: UnixMs = systemClock();
  #addresses = 0;

  private constructor(
    readonly folder: string,
    readonly secrets: SecretStore,
    readonly store: SqliteStore,
    readonly identity: IdentityManager,
    readonly devices: DeviceRegistry,
    readonly desk: PairingDesk,
  ) {}

  /** Reads {@linkcode now}. */
  readonly clock: Clock = () => this.now;

  static async open(): Promise<PairingBench> {
    const folder = await Deno.makeTempDir();
    // deno-lint-ignore prefer-const -- the clock reads the bench, the bench holds what the clock is given to
    let bench: PairingBench | undefined;
    const clock = () => bench?.clock() ?? systemClock();
    const secrets = await SecretStore.open(join(folder, "secrets"));
    const identity = await IdentityManager.open({ secrets, clock, trustDomain: "palyra" });
    const store = SqliteStore.open(join(folder, "palyrad.sqlite"));
    const devices = await DeviceRegistry.load(store, identity.revocations, clock);
    const desk = new PairingDesk({
      store,
      identity,
      devices,
      clock,
      serverCertificateFingerprint: () => SERVER,
      certificateValidityMs: HOUR_MS,
    });
    bench = new PairingBench(folder, secrets, store, identity, devices, desk);
    return bench;
  }

  /** A QR code that is not approved in advance, unless `changes` says otherwise. */
  async mint(changes: Partial<MintOrder> = {}): Promise<MintedCode> {
    return await this.desk.mint({
      method: "qr",
      clientKind: "node",
      ttlMs: undefined,
      approve: false,
      issuedBy: "operator",
      endpoints: ["127.0.0.1:7445"],
      ...changes,
    });
  }

  async begin(secretText: string, clientKind: ClientKind = "node"): Promise<PairingChallenge> {
    // Another address each time, since most tests are not about the limits per address.
    const from = `192.0.2.${++this.#addresses % 250}:50000`;
    return await this.desk.begin(heldBy(secretText), clientKind, from);
  }

  /** The device's answer. `claimed` is the code it holds, which may be wrong. */
  async answer(
    challenge: PairingChallenge,
    claimed: string,
    device: DeviceIdentity,
    declared: { readonly clientKind?: ClientKind; readonly deviceName?: string } = {},
  ): Promise<PairingAttempt> {
    const tlsKey = await TlsKey.generate();
    const method = /^\d+$/.test(claimed)
      ? { kind: "pin" as const, pin: claimed }
      : { kind: "qr" as const, ...pick(parseQrToken(claimed)) };
    return await PairingAttempt.answer({
      device,
      csrDer: await createCertificateRequest({ deviceId: device.deviceId, tlsKey }),
      method,
      caFingerprint: this.identity.ca.fingerprint,
      serverCertificateFingerprint: SERVER,
      clientKind: "node",
      platform: "linux-x86_64",
      deviceName: "laptop",
      requestedCapabilities: ["echo"],
      ...declared,
    }, challenge);
  }

  /** A whole handshake with the right code. */
  async pair(
    secretText: string,
    device: DeviceIdentity = DeviceIdentity.generate(newDeviceId()),
    clientKind: ClientKind = "node",
  ): Promise<PairingOutcome> {
    const attempt = await this.answer(await this.begin(secretText, clientKind), secretText, device, { clientKind });
    const outcome = await this.desk.complete(attempt.completion, FROM);
    attempt.verifyConfirmation(outcome.gatewayConfirmation);
    return outcome;
  }

  /** A whole handshake with a wrong PIN. */
  async failTry(secretText: string): Promise<void> {
    const wrong = wrongPin(secretText);
    const attempt = await this.answer(
      await this.begin(secretText),
      wrong,
      DeviceIdentity.generate(newDeviceId()),
    );
    await assert.rejects(this.desk.complete(attempt.completion, FROM), isError("pairing_proof_failed"));
  }

  /** Revokes a device in the store, as an operator would. */
  async revoke(deviceId: DeviceId): Promise<void> {
    await this.store.transaction(async (tx) => {
      const stored = await tx.devices.get(deviceId);
      assert.ok(stored);
      await tx.devices.put({ ...stored, status: "revoked", revokedAt: this.now, revokedReason: "lost" });
    });
  }

  /** The reason code for which a certificate is refused; undefined when its holder is let in. */
  refusalOf(certificate: CertificateRecord): string | undefined {
    const known = this.devices.identify({ fingerprint: certificate.fingerprint, der: new Uint8Array() });
    return known instanceof PalyraError ? known.code : undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.store.close();
    await Deno.remove(this.folder, { recursive: true });
  }
}

const pick = ({ secret, codeId }: ReturnType<typeof parseQrToken>) => ({ secret, codeId });

/** What the holder of a code names it by. */
function heldBy(secretText: string): HeldCode {
  return /^\d+$/.test(secretText) ? { method: "pin" } : { method: "qr", codeId: parseQrToken(secretText).codeId };
}

/** A PIN that is not this one. */
export function wrongPin(pin: string): string {
  return pin === "000000" ? "000001" : "000000";
}

/** For `assert.rejects()`: a PalyraError of that code, and with that in its message. */
export const isError = (code: ReasonCode, about = /./) => (thrown: unknown): boolean =>
  thrown instanceof PalyraError && thrown.code === code && about.test(thrown.message);
