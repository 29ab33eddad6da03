import { join } from "node:path";
import { newDeviceId } from "../identity/device_id.ts";
import { DeviceIdentity } from "../identity/device_identity.ts";
import { fingerprintOf } from "../identity/fingerprint.ts";
import { PalyraError } from "../identity/palyra_error.ts";
import { pemToDer } from "../identity/pem.ts";
import { SecretStore } from "../identity/secret_store.ts";
import { TlsKey } from "../identity/tls_key.ts";
import { prepareStateFolder } from "../transport/program/state_folder.ts";
import { StateLock } from "../transport/program/state_lock.ts";
import { type ClientKeyPair, ClientKeyPairStore } from "./client_key_pair.ts";
import { removeConnectionStatus } from "./connection_status.ts";
import { removeJournal } from "./journal/mod.ts";
import { removeRememberedAnswers } from "./mediation/remembered_answers.ts";
import { NodeCredentials } from "./node_credentials.ts";
import {
  NODE_HOST_RECORD_FILE,
  type NodeHostRecord,
  readNodeHostRecord,
  removeNodeHostRecord,
  writeNodeHostRecord,
} from "./node_host_record.ts";
import { SECRET_NAMES, SECRETS_FOLDER } from "./node_secrets.ts";
import { encodePendingPairing, parsePendingPairing, type PendingPairing } from "./pending_pairing.ts";

/** What a completed pairing leaves behind. */
export interface CompletedPairing extends ClientKeyPair {
  readonly record: NodeHostRecord;
  readonly trustedCaPem: string;
}

/** A pairing that waits, with the key for which a certificate was asked. */
export interface StoredPendingPairing {
  readonly pending: PendingPairing;
  readonly tlsKey: TlsKey;
}

/**
 * The state folder of a node host, held by this process alone: the record `node-host.json` and the secrets. Every write
 * is atomic, and each change of several files is ordered so that a crash between them leaves a state that goes on.
 */
export class NodeHostState implements Disposable {
  readonly folder: string;
  readonly #secrets: SecretStore;
  readonly #keyPair: ClientKeyPairStore;
  readonly #lock: StateLock;

  private constructor(folder: string, secrets: SecretStore, lock: StateLock) {
    this.folder = folder;
    this.#secrets = secrets;
    this.#keyPair = new ClientKeyPairStore(secrets);
    this.#lock = lock;
  }

  /**
   * Makes the folder ready and locks it. Rejects with `state_in_use` when another palyra-node holds it, and with what
   * `prepareStateFolder` and `SecretStore.open` reject with.
   */
  static async open(folder: string): Promise<NodeHostState> {
    await prepareStateFolder(folder);
    const lock = StateLock.acquire(folder);
    try {
      return new NodeHostState(folder, await SecretStore.open(join(folder, SECRETS_FOLDER)), lock);
    } catch (error) {
      lock.release();
      throw error;
    }
  }

  [Symbol.dispose](): void {
    this.#lock.release();
  }

  /** What `node-host.json` says; undefined when this host was never paired. */
  async record(): Promise<NodeHostRecord | undefined> {
    return await readNodeHostRecord(this.folder);
  }

  /** The device identity; made and stored the first time, and kept from then on. */
  async ensureIdentity(): Promise<DeviceIdentity> {
    const stored = await this.#identity();
    if (stored !== undefined) return stored;
    const identity = DeviceIdentity.generate(newDeviceId());
    await this.#writeText(SECRET_NAMES.deviceIdentity, JSON.stringify(identity.toStored()));
    return identity;
  }

  /**
   * What this host shows to its daemon. Rejects with `not_paired`, or `state_damaged` when the files do not belong
   * together.
   */
  async credentials(): Promise<NodeCredentials> {
    const record = await this.record();
    if (record?.pairedAt === undefined) {
      throw new PalyraError(
        "not_paired",
        await this.pending() === undefined
          ? "This machine is not paired with a daemon; run `palyra-node pair` with the token that " +
            "`palyrad pairing code` shows there."
          : "The pairing of this machine waits for its approval; let the operator decide, and run `palyra-node pair` " +
            "to finish it.",
      );
    }
    const [identity, keyPair] = await Promise.all([this.#identity(), this.#keyPair.read()]);
    // Not before: reading the pair may finish a switch that a crash has cut short.
    const trustedCaPem = await this.#readText(SECRET_NAMES.trustedCa);
    if (
      identity === undefined || keyPair === undefined || trustedCaPem === undefined ||
      identity.deviceId !== record.deviceId
    ) {
      throw new PalyraError(
        "state_damaged",
        `Of the pairing in ${this.folder} something is missing; restore the folder from a backup, or pair this machine ` +
          "again with `palyra-node pair --force`.",
      );
    }
    return await NodeCredentials.of({ identity, ...keyPair, trustedCaPem });
  }

  /**
   * Replaces key and certificate by a renewed pair, in one step: a crash leaves the old pair or the new one. Resolves
   * with the new credentials once they are on the disk. Rejects with `state_damaged`, and changes nothing, when the pair
   * is not this device's or does not match.
   */
  async renewCredentials(current: NodeCredentials, renewed: ClientKeyPair): Promise<NodeCredentials> {
    const { identity, trustedCaPem } = current;
    const credentials = await NodeCredentials.of({ identity, ...renewed, trustedCaPem });
    await this.#keyPair.replace(renewed);
    return credentials;
  }

  /**
   * The same, and replaces the trusted CAs in the same step: for what a recovery brings. Rejects as
   * {@linkcode NodeHostState.renewCredentials} does.
   */
  async replaceCredentials(
    { identity }: NodeCredentials,
    pair: ClientKeyPair,
    trustedCaPem: string,
  ): Promise<NodeCredentials> {
    const credentials = await NodeCredentials.of({ identity, ...pair, trustedCaPem });
    await this.#keyPair.replace(pair, trustedCaPem);
    await this.#secrets.delete(SECRET_NAMES.recoveryTlsKey);
    await this.#noteAuthority(trustedCaPem);
    return credentials;
  }

  /**
   * The key for which a recovery asks a certificate: on the disk before anybody hears of it, and the same at each try until
   * {@linkcode NodeHostState.replaceCredentials} has put it in its place.
   */
  async ensureRecoveryKey(current: NodeCredentials): Promise<TlsKey> {
    const stored = await this.#readText(SECRET_NAMES.recoveryTlsKey);
    // A crash may have come between the last recovery and the removal of its key.
    if (stored !== undefined && stored !== current.tlsKeyPem) return await TlsKey.fromPem(stored);
    const tlsKey = await TlsKey.generate();
    await this.#writeText(SECRET_NAMES.recoveryTlsKey, await tlsKey.toPem());
    return tlsKey;
  }

  /** Replaces the trusted CAs, in one step. Resolves with the credentials that trust them once they are on the disk. */
  async storeTrustBundle(current: NodeCredentials, trustedCaPem: string): Promise<NodeCredentials> {
    await this.#writeText(SECRET_NAMES.trustedCa, trustedCaPem);
    await this.#noteAuthority(trustedCaPem);
    return current.trusting(trustedCaPem);
  }

  /** For people who look at the record: what counts are the CAs that are trusted. */
  async #noteAuthority(trustedCaPem: string): Promise<void> {
    const record = await this.record();
    const caFingerprint = fingerprintOf(pemToDer(trustedCaPem));
    if (record === undefined || record.caFingerprint === caFingerprint) return;
    await this.writeRecord({ ...record, caFingerprint });
  }

  /** The pairing that waits for approval, if there is one. */
  async pending(): Promise<StoredPendingPairing | undefined> {
    const [document, keyPem] = await Promise.all([
      this.#secrets.read(SECRET_NAMES.pendingPairing),
      this.#readText(SECRET_NAMES.pendingTlsKey),
    ]);
    // The key is written first and removed last: alone it means nothing.
    if (document === undefined || keyPem === undefined) return undefined;
    const path = join(this.#secrets.folder, SECRET_NAMES.pendingPairing);
    return { pending: parsePendingPairing(document, path), tlsKey: await TlsKey.fromPem(keyPem) };
  }

  /** Keeps a pairing that waits, so that a restart goes on with it. */
  async savePending(pending: PendingPairing, tlsKey: TlsKey): Promise<void> {
    await this.#secrets.delete(SECRET_NAMES.pendingPairing);
    await this.#writeText(SECRET_NAMES.pendingTlsKey, await tlsKey.toPem());
    await this.#secrets.write(SECRET_NAMES.pendingPairing, encodePendingPairing(pending));
  }

  /** Forgets a pairing that came to nothing. */
  async removePending(): Promise<void> {
    await this.#secrets.delete(SECRET_NAMES.pendingPairing);
    await this.#secrets.delete(SECRET_NAMES.pendingTlsKey);
  }

  /** Replaces the record. */
  async writeRecord(record: NodeHostRecord): Promise<void> {
    await writeNodeHostRecord(this.folder, record);
  }

  /** Stores a completed pairing, and forgets the pending one only when all of it is on the disk. */
  async completePairing(pairing: CompletedPairing): Promise<void> {
    // Another daemon must not be given the results of this one's requests.
    removeJournal(this.folder);
    await this.#keyPair.replace(pairing, pairing.trustedCaPem);
    await this.writeRecord(pairing.record);
    await removeConnectionStatus(this.folder);
    await removeRememberedAnswers(this.folder);
    await this.removePending();
  }

  /** Removes the pairing and every secret. What is left tells nothing. */
  async erase(): Promise<void> {
    removeJournal(this.folder);
    await removeNodeHostRecord(this.folder);
    await removeConnectionStatus(this.folder);
    await removeRememberedAnswers(this.folder);
    await Promise.all((await this.#secrets.list()).map((name) => this.#secrets.delete(name)));
  }

  /** Whether there is nothing that {@linkcode erase} would remove; what is there may be damaged. */
  async isEmpty(): Promise<boolean> {
    const entries = await Array.fromAsync(Deno.readDir(this.folder), ({ name }) => name);
    return !entries.includes(NODE_HOST_RECORD_FILE) && (await this.#secrets.list()).length === 0;
  }

  async #identity(): Promise<DeviceIdentity | undefined> {
    const text = await this.#readText(SECRET_NAMES.deviceIdentity);
    return text === undefined ? undefined : DeviceIdentity.fromStored(parseJson(text));
  }

  async #readText(name: string): Promise<string | undefined> {
    const bytes = await this.#secrets.read(name);
    return bytes === undefined ? undefined : new TextDecoder().decode(bytes);
  }

  async #writeText(name: string, text: string): Promise<void> {
    await this.#secrets.write(name, new TextEncoder().encode(text));
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The parser's message may quote a private key.
    return undefined;
  }
}
