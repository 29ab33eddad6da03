import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { AdminClient } from "../../daemon/admin_client.ts";
import { readDaemonConfig } from "../../daemon/daemon_config.ts";
import type { DaemonAddresses } from "../../daemon/daemon_listeners.ts";
import { readOperatorCredentials } from "../../daemon/operator_credentials.ts";
import { type DaemonTiming, Palyrad } from "../../daemon/palyrad.ts";
import { SecretStore } from "../../identity/secret_store.ts";
import type { MintPairingCodeRequest, MintPairingCodeResponse } from "../../proto/gen/admin.ts";

/** A record of the audit as it stands in the database. */
export interface StoredAuditRecord {
  readonly kind: string;
  readonly actor: string;
  readonly subject: string;
  // deno-lint-ignore no-explicit-any -- the tests assert on what they read
  readonly details: any;
}

/** The whole daemon with its real listeners, in this process and a temporary folder; with its local operator. */
export class InProcessDaemon implements AsyncDisposable {
  readonly root: string;
  #daemon: Palyrad | undefined;
  #operator: AdminClient | undefined;
  /** Of the first start, for those after it. */
  #ports: Readonly<Record<string, string>> = { PALYRA_NODE_RPC_PORT: "0", PALYRA_ENROLMENT_PORT: "0" };
  readonly #settings: Readonly<Record<string, string>>;
  readonly #timing: DaemonTiming;

  private constructor(root: string, settings: Readonly<Record<string, string>>, timing: DaemonTiming) {
    this.root = root;
    this.#settings = settings;
    this.#timing = timing;
  }

  /** Starts on free ports; `settings` are environment variables of palyrad. */
  static async start(
    settings: Readonly<Record<string, string>> = {},
    timing: DaemonTiming = {},
  ): Promise<InProcessDaemon> {
    const daemon = new InProcessDaemon(await Deno.makeTempDir({ prefix: "palyra-" }), settings, timing);
    await daemon.restart();
    return daemon;
  }

  /** Stops it, if it runs, and starts it on the same folder and ports; `changes` are settings for this time. */
  async restart(changes: Readonly<Record<string, string>> = {}): Promise<void> {
    await this.stop();
    const environment: Record<string, string> = {
      ...this.#settings,
      ...changes,
      ...this.#ports,
      PALYRA_STATE_ROOT: this.root,
    };
    const config = await readDaemonConfig({ environment: { get: (name) => environment[name] } });
    this.#daemon = await Palyrad.start(config, this.#timing);
    const { nodeRpc, enrolment = "" } = this.addresses;
    this.#ports = { PALYRA_NODE_RPC_PORT: portOf(nodeRpc), PALYRA_ENROLMENT_PORT: portOf(enrolment) };
    await this.reconnectOperator();
  }

  /** Has the operator connect anew, with the certificate that is there now. */
  async reconnectOperator(): Promise<void> {
    const secrets = await SecretStore.open(join(this.root, "palyrad", "secrets"));
    const credentials = await readOperatorCredentials(secrets);
    this.#operator?.[Symbol.dispose]();
    this.#operator = new AdminClient(this.nodeRpc, credentials);
  }

  /** Stops it in order. */
  async stop(): Promise<void> {
    this.#operator?.[Symbol.dispose]();
    this.#operator = undefined;
    const daemon = this.#daemon;
    this.#daemon = undefined;
    await daemon?.stop();
  }

  get addresses(): DaemonAddresses {
    if (this.#daemon === undefined) throw new Error("the daemon does not run");
    return this.#daemon.addresses;
  }

  get nodeRpc(): string {
    return this.addresses.nodeRpc;
  }

  get enrolment(): string {
    return this.addresses.enrolment ?? "";
  }

  /** The operator of this machine. */
  get operator(): AdminClient {
    if (this.#operator === undefined) throw new Error("the daemon does not run");
    return this.#operator;
  }

  /** A code of a node that waits for approval, unless `order` says otherwise. */
  async mint(order: Partial<MintPairingCodeRequest> = {}): Promise<MintPairingCodeResponse> {
    return await this.operator.mintPairingCode({
      method: "qr",
      ttlMs: 0,
      approve: false,
      clientKind: "node",
      ...order,
    });
  }

  /** The path of the database. */
  get database(): string {
    return join(this.root, "palyrad", "palyrad.sqlite");
  }

  /** The audit, oldest first. */
  audit(): StoredAuditRecord[] {
    using db = new DatabaseSync(this.database, { readOnly: true });
    return db.prepare("SELECT kind, actor, subject, details_json FROM audit ORDER BY sequence").all().map((row) => ({
      kind: String(row["kind"]),
      actor: String(row["actor"]),
      subject: String(row["subject"]),
      details: JSON.parse(String(row["details_json"])),
    }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await Deno.remove(this.root, { recursive: true });
  }
}

function portOf(address: string): string {
  return address.slice(address.lastIndexOf(":") + 1);
}
