/**
 * What a file of your own capabilities exports, for `palyra-node run --capabilities DIR`.
 *
 * Each `.ts` or `.js` file in the folder is one capability: its default export is an {@linkcode OwnerCapability}. This
 * file holds types alone and imports nothing, so it can be imported from anywhere with `import type`, which leaves no
 * trace at run time, or be copied.
 *
 * ```ts
 * import type { OwnerCapability } from "./owner_capability.ts";
 *
 * export default {
 *   name: "disk.usage",
 *   version: "1.0.0",
 *   description: "Tells how full the disk is.",
 *   inputSchema: {},
 *   outputSchema: { type: "object" },
 *   permissions: ["read=/usr", "sys=statfs"],
 *   run: (_input, _context) => Promise.resolve({}),
 * } satisfies OwnerCapability;
 * ```
 *
 * The file is one module, in TypeScript or JavaScript. It may import the built-in modules (`node:fs/promises`) and nothing
 * else, not even a file beside it; bundle what it needs into it. Each request starts it anew in a process of its own, with
 * the permissions that it declares and no others, an empty environment, a heap of 128 MiB and 256 MiB of memory in all.
 * Nothing that it keeps in a variable is there the next time, and nothing that it has begun goes on when `run` has ended.
 * What it prints goes to palyra-node's log. Types are taken away before it runs, so what TypeScript would have to translate
 * is refused: `enum`, `namespace` and parameter properties.
 *
 * @module
 */

/** One thing of your own that a node can do for its daemon. */
export interface OwnerCapability {
  /** Lower-case words joined by dots, at most 64 characters: `disk.usage`. No built-in capability may have it. */
  readonly name: string;
  /** Semantic version of the input and output contract: `1.0.0`. */
  readonly version: string;
  /** One sentence, at most 300 characters. */
  readonly description: string;
  /** JSON Schema, draft 2020-12; `{}` takes anything. */
  readonly inputSchema: { readonly [keyword: string]: unknown };
  /** JSON Schema, draft 2020-12; `{}` allows anything. */
  readonly outputSchema: { readonly [keyword: string]: unknown };
  /** Running it twice does no harm, so a lost attempt may be repeated. Default: false. */
  readonly idempotent?: boolean;
  /** Your consent is asked for before each run unless the configuration says otherwise. Default: true. */
  readonly mediation?: boolean;
  /** How many requests may run it at once. Default: four, which all capabilities of yours share in any case. */
  readonly maxConcurrency?: number;
  /**
   * The Deno permissions that it cannot do without, each written as on Deno's command line after `--allow-`: `read=/srv`,
   * `write=/srv/inbox`, `net=example.com:443`, `sys=loadavg`. It gets these and no others, once you have allowed each by
   * the same text under `[capabilities."<name>"] permissions` in palyra-node's palyra.toml. Default: none.
   *
   * `run=/usr/bin/df` lets it start a program, which no permission limits; it takes the word `unfenced = true` there as
   * well. `import`, `ffi` and `env` are not to be had, nor is `write` or `run` without a path. palyra-node's state cannot
   * be read, and neither that nor its configuration, its program and the folder of capabilities be written. Links are
   * followed wherever they lead; those to palyra-node's state are found among the first 10,000 things where you allow
   * reading.
   */
  readonly permissions?: readonly string[];
  /**
   * Does the work. The input has passed the schema; what it returns must match the output schema, as JSON of at most
   * 1 MiB.
   *
   * What it throws stays in the node's log. An error whose `code` is `"invalid_input"` or `"execution_failed"` is shown to
   * the caller with its message.
   */
  run(input: unknown, context: OwnerCapabilityContext): Promise<unknown>;
}

/** What one run is given beside its input. */
export interface OwnerCapabilityContext {
  /** Aborted at the deadline and on cancel; the process is ended a second later. */
  readonly signal: AbortSignal;
  readonly deviceId: string;
  /** Who asked, as the daemon says. */
  readonly requestedBy: string;
  readonly node: {
    /** SHA-256 of the device's Ed25519 public key, in hex. */
    readonly identityFingerprint: string;
    /** Milliseconds since 1970. */
    readonly pairedAt: number;
    readonly softwareVersion: string;
    /** Where the daemon is reached, `host:port`, best first. */
    readonly daemonEndpoints: readonly string[];
  };
  /**
   * Tells the caller how far the work is. Sent at most ten times a second, the rest is dropped. Throws TypeError when the
   * payload is not JSON or is larger than 16 KiB.
   */
  progress(payload: unknown): void;
}
