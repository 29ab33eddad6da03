import type { DeviceId } from "../../identity/device_id.ts";
import type { Fingerprint } from "../../identity/fingerprint.ts";
import type { UnixMs } from "../../identity/unix_ms.ts";
import type { ConsentScope } from "./consent_scope.ts";

/** A JSON Schema of draft 2020-12. */
export type JsonSchema = { readonly [keyword: string]: unknown };

/** A Deno permission that a capability uses. */
export interface PermissionNeed {
  readonly descriptor: Deno.PermissionDescriptor;
  /** When false, the capability runs without it and leaves out what it would have told. */
  readonly required: boolean;
}

/** What a capability may know about the node it runs on. */
export interface NodeFacts {
  /** SHA-256 of the device's Ed25519 public key. */
  readonly identityFingerprint: Fingerprint;
  readonly pairedAt: UnixMs;
  readonly softwareVersion: string;
  /** Where the daemon is reached, `host:port`, best first. */
  readonly daemonEndpoints: readonly string[];
}

/** What one run of a capability is given beside its input. */
export interface CapabilityContext {
  /** Aborted at the deadline and on cancel. A capability that ignores it is abandoned; its late end changes nothing. */
  readonly signal: AbortSignal;
  readonly deviceId: DeviceId;
  /** Who asked, as the daemon says; at most 128 printable characters. */
  readonly requestedBy: string;
  readonly node: NodeFacts;
  /**
   * Tells the caller how far the work is. Advisory: sent at most ten times a second, the rest is dropped.
   * Throws TypeError when the payload is not JSON or is larger than 16 KiB.
   */
  progress(payload: unknown): void;
}

/** An input that passed every check, in the form in which it is shown to the owner and then run. */
export interface PreparedInput {
  readonly input: unknown;
  /** What would happen, in full: `open https://example.com/`. Whoever shows it makes it safe to show. */
  readonly summary: string;
  /** How far the owner's answer may be remembered. Default: for this very input, until palyra-node stops. */
  readonly scope?: ConsentScope;
}

/** The process in which a capability of the owner's own runs, for people to see. */
export interface OwnProcess {
  /** The name of the owner's file. */
  readonly file: string;
  /** The Deno permissions of the process: `read=/usr`. Palyra-node itself need not have them. */
  readonly permissions: readonly string[];
}

/**
 * One thing a node can do for its daemon.
 *
 * `prepare` and `run` refuse and fail with a `PalyraError`; its message goes to the caller. Anything else that they
 * throw becomes `execution_failed` and stays in the node's log.
 */
export interface Capability {
  /** Lower-case words joined by dots, at most 64 characters: `desktop.open_url`. */
  readonly name: string;
  /** Semantic version of the input and output contract. */
  readonly version: string;
  /** One sentence for the owner. */
  readonly description: string;
  readonly inputSchema: JsonSchema;
  readonly outputSchema: JsonSchema;
  /** Running it twice does no harm, so a lost attempt may be repeated. */
  readonly idempotent: boolean;
  /** The owner's consent is asked for unless the configuration says otherwise (design section 6). */
  readonly mediation: boolean;
  readonly permissions: readonly PermissionNeed[];
  /** Undefined for what runs in palyra-node's own process. */
  readonly ownProcess?: OwnProcess;
  /** How many of it run at once. Default: as many as the node runs in all. */
  readonly maxConcurrency?: number;
  /** Why it cannot run on this machine now, with the cure, permissions aside; undefined when it can. */
  obstacle?(): Promise<string | undefined>;
  /**
   * Checks what a schema cannot express and normalises. Runs before mediation: an input that is refused bothers
   * nobody, and the owner sees exactly what would run. Changes nothing.
   */
  prepare?(input: unknown): Promise<PreparedInput>;
  /**
   * Waits for what a run needs beside a place of its own, and holds it until the run has ended. Comes before the run is
   * noted as started: until then it has not begun. Rejects with the signal's reason when that comes first.
   */
  takeTurn?(signal: AbortSignal): Promise<Disposable>;
  /** Does the work. The input has passed the schema and `prepare`; the output must match the output schema. */
  run(input: unknown, context: CapabilityContext): Promise<unknown>;
}
