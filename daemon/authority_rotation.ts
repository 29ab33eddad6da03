import { setTimeout as delay } from "node:timers/promises";
import { getLogger } from "@logtape/logtape";
import type { DeviceId } from "../identity/device_id.ts";
import type { IdentityManager } from "../identity/identity_manager.ts";
import { PalyraError } from "../identity/palyra_error.ts";
import type { AuthorityKeeper } from "./authority_keeper.ts";
import type { DeviceRegistry } from "./device_registry.ts";
import type { NodeSessionServer } from "./node_session_server.ts";
import { CHECK_EVERY_MS, PeriodicCheck } from "./periodic_check.ts";

const log = getLogger(["palyra", "daemon", "authority"]);

/** What a node is told when it is asked for a new certificate. */
export const RENEWAL_REASON = "The daemon's CA has changed.";

/** Nodes that are asked at once, and how long until the next are, in milliseconds: each makes two TLS connections. */
const ASKED_AT_ONCE = 16;
const ASKED_EVERY_MS = 200;

/** Nodes that a refusal names; more are counted. */
const MAX_NAMED = 8;

/** What {@linkcode AuthorityRotation} needs. */
export interface AuthorityRotationOptions {
  readonly keeper: AuthorityKeeper;
  readonly identity: IdentityManager;
  readonly devices: DeviceRegistry;
  readonly sessions: NodeSessionServer;
  /** Has the daemon's own parts follow the CAs that count now: listeners, server certificate, local operator. */
  readonly follow: () => Promise<void>;
  /** How often it looks whether a CA can be retired, in milliseconds; every minute by default. */
  readonly checkEveryMs?: number;
}

/** The rotation of the CA as an operator sees it: takes the steps, and has everybody follow them (design section 3). */
export class AuthorityRotation {
  readonly #options: AuthorityRotationOptions;
  readonly #check: PeriodicCheck;
  readonly #stopped = new AbortController();
  #asking: Promise<void> = Promise.resolve();

  constructor(options: AuthorityRotationOptions) {
    this.#options = options;
    this.#check = new PeriodicCheck(() => this.#retireUnused(), options.checkEveryMs ?? CHECK_EVERY_MS);
  }

  /** The first step. Resolves when the nodes that are connected were told. */
  async begin(operator: string): Promise<void> {
    await this.#options.keeper.introduce(operator);
    await this.#spread();
  }

  /**
   * The second step. Throws `rotation_not_begun`, and unless `force` is given `nodes_not_ready` with their names while
   * nodes are connected that do not trust the new CA yet. Nobody's session ends by it; nodes are asked to renew a few at a
   * time, after this has resolved.
   */
  async complete(operator: string, force: boolean): Promise<void> {
    const { keeper, identity, sessions } = this.#options;
    const { next } = identity.authorities;
    const behind = next === undefined
      ? []
      : sessions.connectedDevices.filter((id) => !sessions.trusts(id, next.fingerprint));
    if (behind.length > 0 && !force) throw this.#notReady(behind);
    await keeper.complete(operator, behind.length > 0, next?.fingerprint);
    await this.#spread();
    this.#asking = this.#askAll(sessions.connectedDevices);
  }

  /** Back before the first step. */
  async abort(operator: string): Promise<void> {
    await this.#options.keeper.abort(operator);
    await this.#spread();
  }

  /** Asks no more nodes and looks for CAs to retire no more; resolves when what is under way is done. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#asking;
    await this.#check.stop();
  }

  /** Who connects meanwhile is asked after its Welcome. Never rejects. */
  async #askAll(deviceIds: readonly DeviceId[]): Promise<void> {
    const { signal } = this.#stopped;
    for (let asked = 0; asked < deviceIds.length && !signal.aborted; asked += ASKED_AT_ONCE) {
      for (const deviceId of deviceIds.slice(asked, asked + ASKED_AT_ONCE)) {
        this.#options.sessions.askForRenewal(deviceId, RENEWAL_REASON);
      }
      // deno-lint-ignore no-await-in-loop -- a few at a time; only an abort rejects it, which the loop sees by itself
      await delay(ASKED_EVERY_MS, undefined, { signal }).catch(() => {});
    }
  }

  async #retireUnused(): Promise<void> {
    try {
      if (await this.#options.keeper.retireUnused()) await this.#spread();
    } catch (cause) {
      log.error("Whether an earlier CA can be retired could not be settled; it is tried again in a minute.", { cause });
    }
  }

  /**
   * Has everybody follow a step that was taken; the daemon first, so that whoever follows finds it ready. The step stands
   * whatever fails here, and the daemon's own parts look again every minute.
   */
  async #spread(): Promise<void> {
    const { follow, sessions } = this.#options;
    try {
      await follow();
    } catch (cause) {
      log.error("Not everything in the daemon knows the CAs that count now; it is tried again in a minute.", { cause });
    }
    sessions.pushTrustBundle();
  }

  #notReady(behind: readonly DeviceId[]): PalyraError {
    const names = behind.slice(0, MAX_NAMED).map((id) => this.#options.devices.get(id)?.deviceName ?? id);
    const further = behind.length - names.length;
    return new PalyraError(
      "nodes_not_ready",
      `Connected, but they do not trust the new CA yet: ${names.join(", ")}${
        further > 0 ? ` and ${further} more` : ""
      }. ` +
        "Wait a moment (`palyrad ca show`), or go on with --force: they come back by themselves, by recovery if need be.",
    );
  }
}
