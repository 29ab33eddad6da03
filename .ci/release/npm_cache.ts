import { join } from "node:path";
import { PalyraError } from "../../identity/palyra_error.ts";
import { runTool } from "./run_tool.ts";

/** A package at a version. */
export interface NpmPackage {
  readonly name: string;
  readonly version: string;
}

/** The npm packages that Deno has unpacked on this machine. */
export class NpmCache {
  /** Holds a folder for each package, and in it one for each version. */
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  /** The cache of the Deno that runs this. */
  static async find(): Promise<NpmCache> {
    const { npmCache } = JSON.parse(await runTool(Deno.execPath(), ["info", "--json"]));
    const registries = (await Array.fromAsync(Deno.readDir(npmCache))).filter(({ isDirectory }) => isDirectory);
    const [registry] = registries;
    if (registry !== undefined && registries.length === 1) return new NpmCache(join(npmCache, registry.name));
    throw new PalyraError(
      "execution_failed",
      `${npmCache} holds the packages of ${registries.length} registries, and there must be one: name an empty folder by ` +
        "DENO_DIR.",
    );
  }

  /** The folder of a package, which must be there. */
  packageFolder({ name, version }: NpmPackage): string {
    return join(this.folder, ...name.split("/"), version);
  }
}
