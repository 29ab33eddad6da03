import { getLogger } from "@logtape/logtape";
import type { DeviceId } from "../identity/device_id.ts";
import { PalyraError } from "../identity/palyra_error.ts";
import type { ReasonCode } from "../identity/reason_code.ts";
import type { Clock, UnixMs } from "../identity/unix_ms.ts";
import type { DaemonSession, TransportName } from "../transport/session.ts";
import { grantRefusal, pendingCapabilities } from "./capability_grant.ts";
import { type CertificateChanges, followChanges, useCertificate } from "./certificate_succession.ts";
import { DeclaredSchema } from "./declared_schema.ts";
import type { CapabilitySchemas, DispatchPermit, DispatchPolicy } from "./dispatch_policy.ts";
import type { DeviceRegistry } from "./device_registry.ts";
import type { NodeRegistration } from "./node_registration.ts";
import { PendingNotices } from "./pending_notices.ts";
import type { DeclaredCapability, RegisteredNodeRecord } from "./store/registered_node_record.ts";
import type { Store, StoreTransaction } from "./store/store.ts";

const log = getLogger(["palyra", "daemon", "nodes"]);

/** How long the end of a session may wait for another commit before it is written, in milliseconds. */
const END_PATIENCE_MS = 100;

/** A session that was let in. */
export interface OpenedSession {
  readonly epoch: number;
  /** The number of its `session.opened` in the device's event log. */
  readonly eventSequence: number;
  /** What the first use of its certificate has ended; to be followed once the session has taken over. */
  readonly changes: CertificateChanges | undefined;
}

/** A node that has its Welcome. */
export interface ConnectedNode {
  readonly session: DaemonSession;
  readonly epoch: number;
  readonly connectedAt: UnixMs;
  /** When it last said anything. */
  readonly lastHeardAt: UnixMs;
  readonly draining: boolean;
  /** Ends the session and takes the node out of the presence at once. */
  readonly close: (code: ReasonCode, message: string) => void;
}

/** What a node declared, on disk now, and the names in it that have become pending by that. */
interface StoredRegistration {
  readonly node: RegisteredNodeRecord;
  readonly pending: readonly string[];
}

/**
 * The nodes: what each registered, and which of them are connected. Presence is the session and nothing else; it is
 * never written down.
 */
export class NodeRuntimeState implements DispatchPolicy {
  readonly #store: Store;
  readonly #devices: DeviceRegistry;
  readonly #clock: Clock;
  readonly #nodes = new Map<DeviceId, RegisteredNodeRecord>();
  readonly #connected = new Map<DeviceId, ConnectedNode>();
  /** From where each node was last connected, since the daemon started. */
  readonly #addresses = new Map<DeviceId, string>();
  /** Each is prepared once for a registration, when it is first needed. */
  readonly #schemas = new WeakMap<DeclaredCapability, CapabilitySchemas>();
  readonly #notices = new PendingNotices();

  private constructor(store: Store, devices: DeviceRegistry, clock: Clock) {
    this.#store = store;
    this.#devices = devices;
    this.#clock = clock;
  }

  /** Loads the registered nodes. */
  static async load(store: Store, devices: DeviceRegistry, clock: Clock): Promise<NodeRuntimeState> {
    const state = new NodeRuntimeState(store, devices, clock);
    for (const node of await store.transaction((tx) => tx.nodes.list())) state.#nodes.set(node.deviceId, node);
    return state;
  }

  /** See {@linkcode DispatchPolicy.check}: declared by the node ∩ granted by the operator. */
  check(deviceId: DeviceId, capability: string): PalyraError | DispatchPermit {
    const device = this.#devices.get(deviceId);
    if (device === undefined) {
      return new PalyraError("node_not_found", "There is no such node. `palyrad nodes list` shows those there are.");
    }
    if (device.status === "revoked") {
      return new PalyraError("device_revoked", "The node was revoked and runs nothing any more.");
    }
    const node = this.#nodes.get(deviceId);
    if (node === undefined) {
      return new PalyraError(
        "node_not_registered",
        "The device is paired but has not connected yet. Start it there with `palyra-node run`.",
      );
    }
    const declared = node.capabilities.find((each) => each.name === capability);
    if (declared === undefined) {
      return new PalyraError(
        "capability_not_found",
        `The node has no capability of that name. \`palyrad nodes describe ${deviceId}\` shows what it has.`,
      );
    }
    const refused = grantRefusal(device, capability);
    if (refused !== undefined) return refused;
    if (!declared.available) {
      const reason = declared.unavailableReason || "The node does not say why.";
      return new PalyraError("capability_unavailable", `The node cannot run this capability now. ${reason}`);
    }
    return { idempotent: declared.idempotent, schemas: this.#schemasOf(declared) };
  }

  /** What the node offers and no operator has decided about. */
  pending(deviceId: DeviceId): string[] {
    const device = this.#devices.get(deviceId);
    return device === undefined ? [] : pendingCapabilities(device, this.#nodes.get(deviceId)?.capabilities ?? []);
  }

  /** The registered node, connected or not. */
  get(deviceId: DeviceId): RegisteredNodeRecord | undefined {
    return this.#nodes.get(deviceId);
  }

  /** Every registered node, in the order of its device id. */
  list(): RegisteredNodeRecord[] {
    return [...this.#nodes.values()].sort((left, right) => left.deviceId < right.deviceId ? -1 : 1);
  }

  /** The node's session, when it is connected. */
  connection(deviceId: DeviceId): ConnectedNode | undefined {
    return this.#connected.get(deviceId);
  }

  /** From where the node's latest session came, `host:port`; undefined when it had none since the daemon started. */
  lastAddress(deviceId: DeviceId): string | undefined {
    return this.#addresses.get(deviceId);
  }

  /** How many nodes are connected over one transport. */
  connectedBy(transport: TransportName): number {
    let count = 0;
    for (const { session } of this.#connected.values()) if (session.transport === transport) count++;
    return count;
  }

  /** How many nodes are connected. */
  get connectedCount(): number {
    return this.#connected.size;
  }

  /** Stores what a node declares. Resolves when it is on disk. */
  async register(deviceId: DeviceId, registration: Partial<NodeRegistration>): Promise<void> {
    this.#keep(await this.#store.transaction((tx) => this.#write(tx, deviceId, registration, 0)));
  }

  /**
   * Stores what a node declares in its Hello, that it has used its certificate, and begins the next epoch. Resolves when it
   * is on disk; throws `certificate_superseded` when another session has ended the certificate meanwhile.
   */
  async openSession(
    deviceId: DeviceId,
    registration: NodeRegistration,
    session: DaemonSession,
  ): Promise<OpenedSession> {
    const { stored, event, changes } = await this.#store.transaction(async (tx) => {
      const stored = await this.#write(tx, deviceId, registration, 1);
      const changes = await useCertificate(tx, deviceId, session.peer.fingerprint, stored.node.lastSeenAt);
      const { epoch, lastSeenAt } = stored.node;
      const { transport, remoteAddress } = session;
      const payload = { epoch, transport, remote_address: remoteAddress };
      const event = await tx.events.append(deviceId, { name: "session.opened", payload }, lastSeenAt);
      return { stored, event, changes };
    });
    // At once, before what a later transaction has made of the device: a denial must not be undone by an older record.
    if (changes?.device !== undefined) this.#devices.putDevice(changes.device);
    this.#keep(stored);
    return {
      epoch: stored.node.epoch,
      eventSequence: event.sequence,
      changes: changes && { ...changes, device: undefined },
    };
  }

  /** Cuts and refuses whoever still comes with a certificate that the session has ended. */
  sessionTookOver({ changes }: OpenedSession): void {
    followChanges(this.#devices, changes);
  }

  /** The node has its Welcome. */
  connect(deviceId: DeviceId, session: DaemonSession, epoch: number, close: ConnectedNode["close"]): void {
    const now = this.#clock();
    this.#addresses.set(deviceId, session.remoteAddress);
    this.#connected.set(deviceId, { session, epoch, connectedAt: now, lastHeardAt: now, draining: false, close });
  }

  /** The node said something, or will take nothing new. */
  heard(deviceId: DeviceId, session: DaemonSession, draining = false): void {
    const node = this.#connected.get(deviceId);
    if (node?.session !== session) return;
    this.#connected.set(deviceId, { ...node, lastHeardAt: this.#clock(), draining: node.draining || draining });
  }

  /** The session that was opened as `epoch` ended. Another one of the device may have taken its place already. */
  closeSession(deviceId: DeviceId, session: DaemonSession, epoch: number, code: ReasonCode): void {
    const connected = this.#connected.get(deviceId);
    const now = this.#clock();
    const lastSeenAt = connected?.session === session ? connected.lastHeardAt : undefined;
    if (lastSeenAt !== undefined) {
      this.#connected.delete(deviceId);
      const node = this.#nodes.get(deviceId);
      if (node !== undefined) this.#nodes.set(deviceId, { ...node, lastSeenAt });
    }
    const payload = { epoch, transport: session.transport, reason_code: code };
    this.#store.transaction(async (tx) => {
      // A device that was removed has no log to tell it in.
      if (await tx.nodes.get(deviceId) === undefined) return;
      if (lastSeenAt !== undefined) await tx.nodes.touch(deviceId, lastSeenAt);
      await tx.events.append(deviceId, { name: "session.closed", payload }, now);
    }, { patienceMs: END_PATIENCE_MS })
      .catch((cause) => log.error("The end of a session could not be written.", { deviceId, epoch, cause }));
  }

  /** The device was deleted. */
  remove(deviceId: DeviceId): void {
    this.#nodes.delete(deviceId);
    this.#addresses.delete(deviceId);
    this.#notices.forget(deviceId);
  }

  #schemasOf(declared: DeclaredCapability): CapabilitySchemas {
    let schemas = this.#schemas.get(declared);
    if (schemas === undefined) {
      const input = new DeclaredSchema(declared.inputSchemaJson, "input");
      const output = new DeclaredSchema(declared.outputSchemaJson, "output");
      schemas = {
        inputError: (inputJson) => input.firstError(inputJson),
        outputError: (outputJson) => output.firstError(outputJson),
      };
      this.#schemas.set(declared, schemas);
    }
    return schemas;
  }

  async #write(
    tx: StoreTransaction,
    deviceId: DeviceId,
    registration: Partial<NodeRegistration>,
    epochStep: 0 | 1,
  ): Promise<StoredRegistration> {
    const earlier = await tx.nodes.get(deviceId);
    const now = this.#clock();
    const node: RegisteredNodeRecord = {
      deviceId,
      platform: registration.platform ?? earlier?.platform ?? "",
      deviceName: registration.deviceName ?? earlier?.deviceName ?? "",
      softwareVersion: registration.softwareVersion ?? earlier?.softwareVersion ?? "",
      capabilities: registration.capabilities ?? earlier?.capabilities ?? [],
      registeredAt: earlier?.registeredAt ?? now,
      lastSeenAt: now,
      epoch: (earlier?.epoch ?? 0) + epochStep,
    };
    await tx.nodes.put(node);
    const device = this.#devices.get(deviceId);
    const pending = device === undefined
      ? []
      : this.#notices.untold(deviceId, device, earlier?.capabilities ?? [], node.capabilities);
    if (pending.length > 0) {
      await tx.events.append(deviceId, { name: "capabilities.pending", payload: { capabilities: pending } }, now);
    }
    return { node, pending };
  }

  #keep({ node, pending }: StoredRegistration): void {
    this.#notices.tell(node.deviceId, pending);
    const known = this.#nodes.get(node.deviceId);
    // Two sessions may register at once; the newer epoch stands.
    if (known === undefined || node.epoch >= known.epoch) this.#nodes.set(node.deviceId, node);
  }
}
