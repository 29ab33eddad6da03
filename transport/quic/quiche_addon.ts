import { createRequire } from "node:module";
import manifest from "@matrixai/quic/package.json" with { type: "json" };
import type { ConfigConstructor, ConnectionConstructor, HeaderConstructor } from "@matrixai/quic/native/types.js";
import { PalyraError } from "../../identity/palyra_error.ts";

export type { Config as NativeConfig, Connection as NativeConnection, Host } from "@matrixai/quic/native/types.js";

/** What this project uses of the native addon of `@matrixai/quic`: Cloudflare's quiche 0.18 with BoringSSL. */
export interface QuicheAddon {
  readonly Config: ConfigConstructor;
  readonly Connection: ConnectionConstructor;
  readonly Header: HeaderConstructor;
  readonly versionIsSupported: (version: number) => boolean;
  /** Writes a Version Negotiation packet; returns its length. */
  readonly negotiateVersion: (scid: Uint8Array, dcid: Uint8Array, into: Uint8Array) => number;
  /** Writes a Retry packet; returns its length. */
  readonly retry: (
    scid: Uint8Array,
    dcid: Uint8Array,
    newScid: Uint8Array,
    token: Uint8Array,
    version: number,
    into: Uint8Array,
  ) => number;
}

/** Whether this machine can speak QUIC. */
export type QuicAvailability =
  | { readonly available: true }
  | {
    readonly available: false;
    /** A sentence for people. */
    readonly reason: string;
  };

type Loaded = { readonly addon: QuicheAddon } | { readonly reason: string; readonly cause?: unknown };

let loaded: Loaded | undefined;

/**
 * Whether the addon is there for this platform and may be loaded. Loads it at the first call.
 *
 * Only one isolate of a process may have it: the addon keeps handles of the one that loaded it last and uses them in all,
 * which ends the process. So it is never loaded in a worker.
 */
export function quicAvailability(): QuicAvailability {
  loaded ??= load(`${Deno.build.os}-${Deno.build.arch}`);
  return "addon" in loaded ? { available: true } : { available: false, reason: loaded.reason };
}

/** The addon; throws `unsupported` with the reason where {@linkcode quicAvailability} says no. */
export function quiche(): QuicheAddon {
  loaded ??= load(`${Deno.build.os}-${Deno.build.arch}`);
  if ("addon" in loaded) return loaded.addon;
  throw new PalyraError("unsupported", `${loaded.reason} Use gRPC, which needs nothing of the kind.`, {
    cause: loaded.cause,
  });
}

/** The addon's packages by Deno's name of the platform; those of other platforms exist in older versions only. */
export const PREBUILDS: Readonly<Record<string, string>> = {
  "linux-x86_64": "@matrixai/quic-linux-x64",
};

/** Loads the addon for `platform`. */
export function load(platform: string): Loaded {
  const prebuild = PREBUILDS[platform];
  if (prebuild === undefined) {
    return { reason: `QUIC is not available on ${platform}: its native library is not built for it.` };
  }
  const require = createRequire(addonDependant());
  try {
    return { addon: require(prebuild) };
  } catch (cause) {
    if (cause instanceof Deno.errors.NotCapable) {
      return { reason: "Deno was not allowed to load QUIC's native library. Start it with `--allow-ffi`.", cause };
    }
    return { reason: `QUIC's native library (${prebuild} ${manifest.version}) could not be loaded.`, cause };
  }
}

/** The addon's file on this machine, which `--allow-ffi=` must cover; undefined where there is none. */
export function quicheAddonFile(): string | undefined {
  const prebuild = PREBUILDS[`${Deno.build.os}-${Deno.build.arch}`];
  if (prebuild === undefined) return undefined;
  try {
    return createRequire(addonDependant()).resolve(prebuild);
  } catch {
    // Not installed, or not to be looked for.
    return undefined;
  }
}

/** The URL of the module that can name the addon. */
function addonDependant(): string {
  try {
    // The addon is a dependency of the package, so from source only the package itself can name it.
    return import.meta.resolve("@matrixai/quic");
  } catch {
    // A bundle holds the package, and has the addon in a `node_modules` of its own beside it.
    return import.meta.url;
  }
}
