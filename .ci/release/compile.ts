/**
 * `deno task compile`: the programs as single executables with their permissions baked in.
 *
 * @module
 */
import { join } from "node:path";
import { assertTestedRuntime } from "../../transport/grpc/deno_version.ts";
import { print } from "../../transport/program/cli_output.ts";
import { runCli } from "../../transport/program/run_cli.ts";
import { sha256Of } from "./checksums.ts";
import { compiledFlags, compileProgram, executableName } from "./compiled_program.ts";
import { denoFolder } from "./deno_folder.ts";
import { LockedDigests } from "./locked_digests.ts";
import { packageLicence } from "./package_licences.ts";
import { RELEASE_PROGRAMS } from "./release_program.ts";
import { printMade, type ReleaseJob, runReleaseTool } from "./release_tool.ts";
import { findStub, stubText } from "./runtime_stub.ts";
import { sbomText } from "./sbom.ts";

async function compile({ target, stage, revision, output }: ReleaseJob): Promise<void> {
  const stubSources = { environment: Deno.env, denoFolder: await denoFolder(), denoVersion: Deno.version.deno };
  const stub = await findStub(target, stubSources);
  print(`${target.name}: the runtime is ${stubText(stub)}.`);
  for (const program of RELEASE_PROGRAMS) {
    const path = join(output, executableName(program, target));
    // deno-lint-ignore no-await-in-loop -- each takes a processor, and the first may download what the others use
    await compileProgram(program, stage, { output: path, stub, stubSources });
    // deno-lint-ignore no-await-in-loop -- see above
    await printMade(path, await sha256Of(path));
    print(`  ${compiledFlags(program, target).join(" ")}`);
  }
  const licences = await Promise.all(stage.packages.map((found) => packageLicence(found, stage.cache)));
  const deno = { version: Deno.version.deno, sha256: undefined };
  await Deno.writeTextFile(
    join(output, "sbom.cdx.json"),
    sbomText({ target, revision, licences, digests: await LockedDigests.read(), deno }),
  );
}

await runCli(async (args) => {
  assertTestedRuntime();
  await runReleaseTool({
    name: "compile",
    description: "Make single executables with their permissions baked in.",
    examples: [
      { command: "deno task compile", explanation: "for this platform, into dist" },
      {
        command: "deno task compile --target linux-arm64 macos-arm64",
        explanation: "for others, into folders in dist",
      },
    ],
    make: compile,
  }, args);
});
