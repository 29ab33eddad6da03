import { join } from "node:path";
import { IdentityManager } from "../identity/identity_manager.ts";
import { SecretStore } from "../identity/secret_store.ts";
import { type Clock, systemClock } from "../identity/unix_ms.ts";
import { prepareStateFolder } from "../transport/program/state_folder.ts";
import { StateLock } from "../transport/program/state_lock.ts";
import { CertificateIssuer } from "./certificate_issuer.ts";
import type { DaemonConfig } from "./daemon_config.ts";
import { DeviceRegistry } from "./device_registry.ts";
import { issueOperatorCredentials } from "./operator_credentials.ts";
import { SqliteStore } from "./store/sqlite/sqlite_store.ts";
import type { Store } from "./store/store.ts";

/** Name of the folder of keys and certificates in the state folder. */
export const SECRETS_FOLDER = "secrets";

/** What the daemon keeps in its state folder, opened for this process alone. */
export class DaemonState {
  readonly folder: string;
  readonly store: Store;
  readonly identity: IdentityManager;
  readonly devices: DeviceRegistry;
  readonly issuer: CertificateIssuer;
  readonly clock: Clock;
  readonly #secrets: SecretStore;
  readonly #lock: StateLock;

  private constructor(parts: {
    config: DaemonConfig;
    store: Store;
    identity: IdentityManager;
    devices: DeviceRegistry;
    secrets: SecretStore;
    lock: StateLock;
    clock: Clock;
  }) {
    const { config, store, identity, devices, secrets, lock, clock } = parts;
    this.folder = config.stateFolder;
    this.store = store;
    this.identity = identity;
    this.devices = devices;
    this.clock = clock;
    this.issuer = new CertificateIssuer({
      store,
      identity,
      devices,
      clock,
      certificateValidityMs: config.certificateValidityMs,
    });
    this.#secrets = secrets;
    this.#lock = lock;
  }

  /**
   * Opens the state folder, creating what is missing. Throws `state_in_use` when another daemon has it, `state_read_only`,
   * `state_damaged` or `schema_too_new`; then nothing was changed.
   */
  static async open(config: DaemonConfig, clock: Clock = systemClock): Promise<DaemonState> {
    await prepareStateFolder(config.stateFolder);
    const lock = StateLock.acquire(config.stateFolder);
    let store: Store | undefined;
    try {
      const secrets = await SecretStore.open(join(config.stateFolder, SECRETS_FOLDER));
      const identity = await IdentityManager.open({ secrets, clock, trustDomain: config.trustDomain });
      store = SqliteStore.open(join(config.stateFolder, "palyrad.sqlite"));
      const devices = await DeviceRegistry.load(store, identity.revocations, clock);
      return new DaemonState({ config, store, identity, devices, secrets, lock, clock });
    } catch (error) {
      await store?.close();
      lock.release();
      throw error;
    }
  }

  /** Writes a fresh operator certificate for this machine. */
  async renewOperator(): Promise<void> {
    const { store, devices, issuer, clock } = this;
    await issueOperatorCredentials({ store, secrets: this.#secrets, devices, issuer, clock });
  }

  /** Commits, closes and lets another process have the folder. */
  async close(): Promise<void> {
    await this.store.close();
    this.#lock.release();
  }
}
