/**
 * `deno task package`: the programs as an archive that runs where it is unpacked, Deno included.
 *
 * @module
 */
import { join } from "node:path";
import { runCli } from "../../transport/program/run_cli.ts";
import { sha256Of } from "./checksums.ts";
import { fetchDeno } from "./deno_binary.ts";
import { denoFolder } from "./deno_folder.ts";
import { packageArchive, packageName } from "./package_archive.ts";
import { printMade, type ReleaseJob, runReleaseTool } from "./release_tool.ts";

async function makePackage({ target, stage, revision, output, scratch }: ReleaseJob): Promise<void> {
  const deno = await fetchDeno(target, join(scratch, "deno"), { denoFolder: await denoFolder() });
  const path = join(output, `${packageName(target)}.tar.gz`);
  await Deno.writeFile(path, await packageArchive(stage, deno, revision));
  await printMade(path, await sha256Of(path));
}

await runCli((args) =>
  runReleaseTool({
    name: "package",
    description: "Make an archive that runs where it is unpacked, with nothing to install.",
    examples: [
      { command: "deno task package", explanation: "for this platform, into dist" },
      { command: "deno task package --target windows-x64", explanation: "for another, into a folder in dist" },
    ],
    make: makePackage,
  }, args)
);
