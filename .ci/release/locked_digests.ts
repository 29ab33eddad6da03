import { join } from "node:path";
import * as v from "valibot";
import type { NpmPackage } from "./npm_cache.ts";
import { PROJECT_FOLDER } from "./release_program.ts";

const LockShape = v.object({ npm: v.record(v.string(), v.object({ integrity: v.string() })) });

/** The digests that `deno.lock` pins. */
export class LockedDigests {
  readonly #integrities: readonly (readonly [string, string])[];

  private constructor(integrities: readonly (readonly [string, string])[]) {
    this.#integrities = integrities;
  }

  /** Reads the project's `deno.lock`. */
  static async read(): Promise<LockedDigests> {
    const { npm } = v.parse(LockShape, JSON.parse(await Deno.readTextFile(join(PROJECT_FOLDER, "deno.lock"))));
    return new LockedDigests(Object.entries(npm).map(([key, { integrity }]) => [key, integrity]));
  }

  /** The SHA-512 of a package's archive, in hexadecimal; throws when the package is not locked. */
  sha512Of({ name, version }: NpmPackage): string {
    const key = `${name}@${version}`;
    // Peers follow the version in the lock's keys.
    const found = this.#integrities.find(([each]) => each === key || each.startsWith(`${key}_`));
    if (found === undefined) throw new Error(`deno.lock does not hold ${key}`);
    return Uint8Array.fromBase64(found[1].replace(/^sha512-/, "")).toHex();
  }
}
