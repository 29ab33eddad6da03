import { join } from "node:path";
import { CA_CERTIFICATE_SECRET, IdentityManager } from "../identity/identity_manager.ts";
import { PalyraError } from "../identity/palyra_error.ts";
import { SecretStore } from "../identity/secret_store.ts";
import { type Clock, systemClock } from "../identity/unix_ms.ts";
import { prepareStateFolder } from "../transport/program/state_folder.ts";
import { StateLock } from "../transport/program/state_lock.ts";
import { CertificateIssuer } from "./certificate_issuer.ts";
import type { DaemonConfig } from "./daemon_config.ts";
import { DeviceRegistry } from "./device_registry.ts";
import { renewOperatorCredentials } from "./operator_credentials.ts";
import { quicResetKey } from "./quic_reset_key.ts";
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
   * Opens the state folder, creating what is missing in a new one. Throws `state_in_use` when another daemon has it,
   * `state_read_only`, `state_damaged` or `schema_too_new`; then what was there is as it was.
   */
  static async open(config: DaemonConfig, clock: Clock = systemClock): Promise<DaemonState> {
    await prepareStateFolder(config.stateFolder);
    const lock = StateLock.acquire(config.stateFolder);
    let store: Store | undefined;
    try {
      store = SqliteStore.open(join(config.stateFolder, "palyrad.sqlite"), { eventsKept: config.eventsKept });
      const secrets = await SecretStore.open(join(config.stateFolder, SECRETS_FOLDER));
      const identity = await openIdentity(store, secrets, clock, config.trustDomain);
      const devices = await DeviceRegistry.load(store, identity.revocations, clock);
      return new DaemonState({ config, store, identity, devices, secrets, lock, clock });
    } catch (error) {
      await store?.close();
      lock.release();
      throw error;
    }
  }

  /** Writes an operator certificate for this machine when there is none, or the one there is nears its end. */
  async renewOperator(): Promise<void> {
    const { store, devices, issuer, clock } = this;
    await renewOperatorCredentials({ store, secrets: this.#secrets, devices, issuer, clock });
  }

  /** The key of QUIC's stateless resets. */
  async quicResetKey(): Promise<Uint8Array> {
    return await quicResetKey(this.#secrets);
  }

  /** Commits, closes and lets another process have the folder. */
  async close(): Promise<void> {
    await this.store.close();
    this.#lock.release();
  }
}

const CA_FINGERPRINT = "ca_fingerprint";

/**
 * Opens the CA, or makes one for a folder that never had one. A CA that is gone or another one is never replaced in
 * silence: every device that was paired trusts the first.
 */
async function openIdentity(
  store: Store,
  secrets: SecretStore,
  clock: Clock,
  trustDomain: string,
): Promise<IdentityManager> {
  const known = await store.transaction((tx) => tx.facts.get(CA_FINGERPRINT));
  if (known !== undefined && await secrets.read(CA_CERTIFICATE_SECRET) === undefined) throw otherCa(secrets.folder);
  const identity = await IdentityManager.open({ secrets, clock, trustDomain });
  if (known === undefined) await store.transaction((tx) => tx.facts.put(CA_FINGERPRINT, identity.ca.fingerprint));
  else if (known !== identity.ca.fingerprint) throw otherCa(secrets.folder);
  return identity;
}

function otherCa(folder: string): PalyraError {
  return new PalyraError(
    "state_damaged",
    `The CA in ${folder} is missing or not the one whose devices are paired here. Restore that folder from a backup; ` +
      "to begin anew, move the whole state folder away, and pair every device again.",
  );
}
