import { dirname, join } from "node:path";
import quicManifest from "@matrixai/quic/package.json" with { type: "json" };
import { PalyraError } from "../../identity/palyra_error.ts";
import { NpmCache, type NpmPackage } from "./npm_cache.ts";
import { bundleProgram } from "./program_bundle.ts";
import { BUNDLE_ENTRIES, bundleFile, type BundleName } from "./release_program.ts";
import type { ReleaseTarget } from "./release_target.ts";
import type { SourceRevision } from "./source_revision.ts";

/** The addon's file in its package. */
const ADDON_FILE = "node.napi.node";

/**
 * A folder with what a release of a target is made of: each program in one file, and the native addon where Deno looks
 * for it. It holds no configuration, no sources and no tools.
 */
export interface ReleaseStage {
  readonly folder: string;
  readonly target: ReleaseTarget;
  /** The npm packages in it, native addon included. */
  readonly packages: readonly NpmPackage[];
  readonly cache: NpmCache;
}

/** The addon of a target, from a stage's folder, with `/`; undefined where there is none. */
export function addonFile({ addonPackage }: ReleaseTarget): string | undefined {
  return addonPackage === undefined ? undefined : `node_modules/${addonPackage}/${ADDON_FILE}`;
}

/** Fills `folder`, which is made. Every file in it gets the time of the revision. */
export async function stageRelease(
  folder: string,
  target: ReleaseTarget,
  revision: SourceRevision,
): Promise<ReleaseStage> {
  const cache = await NpmCache.find();
  await Deno.mkdir(folder, { recursive: true });
  const bundles = await Promise.all(
    Object.keys(BUNDLE_ENTRIES).map(async (name) => {
      const bundle = name as BundleName;
      const { text, packages } = await bundleProgram(bundle, revision, cache);
      await Deno.writeTextFile(join(folder, bundleFile(bundle)), text);
      return packages;
    }),
  );
  const addon = await copyAddon(folder, target, cache);
  await setTimes(folder, revision.seconds);
  return { folder, target, packages: distinct([...bundles.flat(), ...addon]), cache };
}

async function copyAddon(folder: string, target: ReleaseTarget, cache: NpmCache): Promise<NpmPackage[]> {
  const { addonPackage } = target;
  const file = addonFile(target);
  if (addonPackage === undefined || file === undefined) return [];
  const addon = { name: addonPackage, version: quicManifest.version };
  const into = dirname(join(folder, file));
  await Deno.mkdir(into, { recursive: true });
  try {
    await Promise.all(
      ["package.json", ADDON_FILE].map((name) =>
        Deno.copyFile(join(cache.packageFolder(addon), name), join(into, name))
      ),
    );
  } catch (cause) {
    if (!(cause instanceof Deno.errors.NotFound)) throw cause;
    const message = `Deno keeps ${addonPackage} on ${target.name} alone: make the release for it there.`;
    throw new PalyraError("unsupported", message, { cause });
  }
  return [addon];
}

async function setTimes(folder: string, seconds: number): Promise<void> {
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const path = join(folder, name);
    if (isDirectory) await setTimes(path, seconds);
    await Deno.utime(path, seconds, seconds);
  }
}

function distinct(packages: readonly NpmPackage[]): NpmPackage[] {
  const byKey = new Map(packages.map((found) => [`${found.name}@${found.version}`, found]));
  return [...byKey].toSorted(([left], [right]) => left < right ? -1 : 1).map(([, found]) => found);
}
