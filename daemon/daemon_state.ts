import { join } from "node:path";
import { IdentityManager } from "../identity/identity_manager.ts";
import { SecretStore } from "../identity/secret_store.ts";
import { type Clock, systemClock, type UnixMs } from "../identity/unix_ms.ts";
import { prepareStateFolder } from "../transport/program/state_folder.ts";
import { StateLock } from "../transport/program/state_lock.ts";
import { DAEMON_ACTOR } from "./audit/audit_act.ts";
import { AuditAnchorKeeper } from "./audit/audit_anchor_keeper.ts";
import { AuthorityKeeper, discardAuthorities } from "./authority_keeper.ts";
import { CA_FINGERPRINT_FACT, readAuthorityRecord } from "./authority_record.ts";
import { CertificateIssuer } from "./certificate_issuer.ts";
import type { DaemonConfig } from "./daemon_config.ts";
import { DeviceRegistry } from "./device_registry.ts";
import { renewOperatorCredentials } from "./operator_credentials.ts";
import { GenerationKeeper } from "./generation_keeper.ts";
import { quicResetKey } from "./quic_reset_key.ts";
import { recordSealing } from "./sealing_record.ts";
import { SqliteStore } from "./store/sqlite/sqlite_store.ts";
import type { Store } from "./store/store.ts";

/** Name of the folder of keys and certificates in the state folder. */
export const SECRETS_FOLDER = "secrets";

/** Name of the database in the state folder. */
export const DATABASE_FILE = "palyrad.sqlite";

/** What the daemon keeps in its state folder, opened for this process alone. */
export class DaemonState {
  readonly folder: string;
  readonly store: Store;
  readonly identity: IdentityManager;
  readonly devices: DeviceRegistry;
  readonly issuer: CertificateIssuer;
  readonly clock: Clock;
  readonly auditAnchor: AuditAnchorKeeper;
  readonly authorities: AuthorityKeeper;
  readonly #secrets: SecretStore;
  readonly #lock: StateLock;
  readonly #generation: GenerationKeeper;

  private constructor(parts: {
    config: DaemonConfig;
    store: Store;
    identity: IdentityManager;
    devices: DeviceRegistry;
    secrets: SecretStore;
    lock: StateLock;
    auditAnchor: AuditAnchorKeeper;
    generation: GenerationKeeper;
    clock: Clock;
  }) {
    const { config, store, identity, devices, secrets, lock, auditAnchor, generation, clock } = parts;
    this.folder = config.stateFolder;
    this.store = store;
    this.identity = identity;
    this.devices = devices;
    this.clock = clock;
    this.auditAnchor = auditAnchor;
    this.authorities = new AuthorityKeeper({ store, secrets, identity, devices, clock });
    this.issuer = new CertificateIssuer({
      store,
      identity,
      devices,
      clock,
      certificateValidityMs: config.certificateValidityMs,
    });
    this.#secrets = secrets;
    this.#lock = lock;
    this.#generation = generation;
  }

  /**
   * Opens the state folder, creating what is missing in a new one. Throws `state_in_use` when another daemon has it,
   * `state_restored`, `state_read_only`, `state_damaged` or `schema_too_new`; then what was there is as it was.
   */
  static async open(config: DaemonConfig, clock: Clock = systemClock): Promise<DaemonState> {
    await prepareStateFolder(config.stateFolder);
    const lock = StateLock.acquire(config.stateFolder);
    let store: Store | undefined;
    let auditAnchor: AuditAnchorKeeper | undefined;
    let generation: GenerationKeeper | undefined;
    try {
      store = SqliteStore.open(join(config.stateFolder, DATABASE_FILE), { eventsKept: config.eventsKept });
      const { generationPlaces: places, acceptRestoredState: acceptRestored = false } = config;
      if (!acceptRestored) await GenerationKeeper.refuseRestored({ store, places });
      const secrets = await SecretStore.open(join(config.stateFolder, SECRETS_FOLDER));
      const { identity, isKnown } = await openIdentity(store, secrets, clock, config.trustDomain);
      auditAnchor = await AuditAnchorKeeper.open({ folder: config.stateFolder, secrets, store, clock });
      // Behind the anchor, which would take a record before it for one that somebody else has written.
      generation = await GenerationKeeper.open({ store, places, acceptRestored, clock });
      if (!isKnown) await recordCa(store, identity, clock());
      await recordSealing(store, secrets.sealingKeyId, clock());
      const devices = await DeviceRegistry.load(store, identity.revocations, clock);
      return new DaemonState({ config, store, identity, devices, secrets, lock, auditAnchor, generation, clock });
    } catch (error) {
      await store?.close();
      await generation?.close();
      await auditAnchor?.close();
      lock.release();
      throw error;
    }
  }

  /** Writes an operator certificate for this machine when there is none, or the one there is nears its end. */
  async renewOperator(): Promise<void> {
    const { store, devices, issuer, identity, clock } = this;
    await renewOperatorCredentials({ store, secrets: this.#secrets, devices, issuer, identity, clock });
  }

  /** The key of QUIC's stateless resets. */
  async quicResetKey(): Promise<Uint8Array> {
    return await quicResetKey(this.#secrets);
  }

  /** Commits, closes and lets another process have the folder. */
  async close(): Promise<void> {
    try {
      await this.store.close();
    } finally {
      await this.#generation.close();
      await this.auditAnchor.close();
      this.#lock.release();
    }
  }
}

/**
 * Opens the CAs, or makes one for a folder that never had one, whose `isKnown` is false. A CA that is gone or another one is
 * never replaced in silence: every device that was paired trusts the first.
 */
async function openIdentity(
  store: Store,
  secrets: SecretStore,
  clock: Clock,
  trustDomain: string,
): Promise<{ readonly identity: IdentityManager; readonly isKnown: boolean }> {
  const roles = await store.transaction(readAuthorityRecord);
  const identity = await IdentityManager.open({ secrets, clock, trustDomain, roles });
  if (roles !== undefined) await discardAuthorities(secrets, roles.discarded);
  return { identity, isKnown: roles !== undefined };
}

async function recordCa(store: Store, { ca }: IdentityManager, at: UnixMs): Promise<void> {
  await store.transaction(async (tx) => {
    await tx.facts.put(CA_FINGERPRINT_FACT, ca.fingerprint);
    await tx.audit.append({ kind: "ca.created", actor: DAEMON_ACTOR, subject: ca.fingerprint, details: {} }, at);
  });
}
