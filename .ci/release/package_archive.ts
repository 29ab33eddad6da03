import { join } from "node:path";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import project from "../../deno.json" with { type: "json" };
import { filesBelow, sha256Of } from "./checksums.ts";
import type { DenoBinary } from "./deno_binary.ts";
import { LockedDigests } from "./locked_digests.ts";
import { licencesText, packageLicence } from "./package_licences.ts";
import { PROJECT_FOLDER, RELEASE_PROGRAMS } from "./release_program.ts";
import type { ReleaseStage } from "./release_stage.ts";
import type { ReleaseTarget } from "./release_target.ts";
import { sbomText } from "./sbom.ts";
import type { SourceRevision } from "./source_revision.ts";
import { denoFile, PACKAGE_LIBRARY, startScript, startScriptName } from "./start_script.ts";
import { type ArchiveFile, tarArchive } from "./tar_archive.ts";

/** The name of a package's folder; its archive ends in `.tar.gz`. */
export function packageName({ name }: ReleaseTarget): string {
  return `palyra-${project.version}-${name}`;
}

/** A package of a stage as a `.tar.gz`. The same stage, Deno and revision give the same bytes. */
export async function packageArchive(
  stage: ReleaseStage,
  deno: DenoBinary,
  revision: SourceRevision,
): Promise<Uint8Array> {
  const files = await packageFiles(stage, deno, revision);
  const folder = packageName(stage.target);
  const inFolder = files.map((file) => ({ ...file, path: `${folder}/${file.path}` }));
  return await promisify(gzip)(tarArchive(inFolder, revision.seconds), { level: 9 });
}

async function packageFiles(stage: ReleaseStage, deno: DenoBinary, revision: SourceRevision): Promise<ArchiveFile[]> {
  const { target, cache, folder } = stage;
  const licences = await Promise.all(stage.packages.map((found) => packageLicence(found, cache)));
  const sbom = sbomText({
    target,
    revision,
    licences,
    digests: await LockedDigests.read(),
    deno: { version: deno.version, sha256: await sha256Of(deno.executable) },
  });
  const staged = (await filesBelow(folder)).map(async (file) => ({
    path: `${PACKAGE_LIBRARY}/${file}`,
    bytes: await Deno.readFile(join(folder, file)),
  }));
  const text = (path: string, content: string) => ({ path, bytes: new TextEncoder().encode(content) });
  return [
    ...RELEASE_PROGRAMS.map((program) => ({
      ...text(startScriptName(program, target), startScript(program, target)),
      executable: true,
    })),
    {
      path: `${PACKAGE_LIBRARY}/${denoFile(target)}`,
      bytes: await Deno.readFile(deno.executable),
      executable: true,
    },
    ...await Promise.all(staged),
    { path: "LICENSE", bytes: await Deno.readFile(join(PROJECT_FOLDER, "LICENSE")) },
    text("THIRD_PARTY_LICENCES.txt", licencesText(licences, deno)),
    text("sbom.cdx.json", sbom),
  ];
}
