import { join } from "node:path";
import type { NpmCache, NpmPackage } from "./npm_cache.ts";

/** Under which terms a package may be passed on. */
export interface PackageLicence extends NpmPackage {
  /** What its manifest says, an SPDX expression as a rule: `MIT`. */
  readonly licence: string;
  /** The texts of its licence and notice files, by file name. */
  readonly texts: ReadonlyMap<string, string>;
}

const LICENCE_FILE = /^(licen[cs]e|notice|copying|copyright)\b/i;

/** Reads the licence of a package that is in the cache. */
export async function packageLicence(found: NpmPackage, cache: NpmCache): Promise<PackageLicence> {
  const folder = cache.packageFolder(found);
  const manifest = JSON.parse(await Deno.readTextFile(join(folder, "package.json")));
  const files = (await Array.fromAsync(Deno.readDir(folder)))
    .filter(({ name, isFile }) => isFile && LICENCE_FILE.test(name))
    .map(({ name }) => name)
    .toSorted();
  const texts = await Promise.all(
    files.map(async (name): Promise<[string, string]> => [name, await Deno.readTextFile(join(folder, name))]),
  );
  const licence = typeof manifest.license === "string" ? manifest.license : "NOASSERTION";
  return { ...found, licence, texts: new Map(texts) };
}

/** One text with the terms of everything in a release that others have written. */
export function licencesText(licences: readonly PackageLicence[], deno: { version: string; licence: string }): string {
  const rule = "-".repeat(80);
  const sections = licences.map(({ name, version, licence, texts }) => {
    const text = [...texts.values()].map((each) => each.trim()).join("\n\n");
    return `${rule}\n${name} ${version}: ${licence}\n\n${text || "The package holds no text of its licence."}\n`;
  });
  return [`${rule}\nDeno ${deno.version}: MIT\n\n${deno.licence.trim()}\n`, ...sections].join("\n");
}
