import { join } from "node:path";
import { type CliExample, newCommand } from "../../transport/program/cli_command.ts";
import { print } from "../../transport/program/cli_output.ts";
import { writeChecksums } from "./checksums.ts";
import { PROJECT_FOLDER } from "./release_program.ts";
import { type ReleaseStage, stageRelease } from "./release_stage.ts";
import { type ReleaseTarget, releaseTarget } from "./release_target.ts";
import { type SourceRevision, sourceRevision } from "./source_revision.ts";

/** What a release tool makes of one target. */
export interface ReleaseJob {
  readonly target: ReleaseTarget;
  readonly stage: ReleaseStage;
  readonly revision: SourceRevision;
  /** Where what it makes goes. */
  readonly output: string;
  /** For what is needed in between; removed at the end. */
  readonly scratch: string;
}

/** What distinguishes one release tool from another. */
export interface ReleaseTool {
  readonly name: string;
  readonly description: string;
  readonly examples: readonly CliExample[];
  /** Makes the release of one target. */
  readonly make: (job: ReleaseJob) => Promise<void>;
}

/**
 * Runs a tool for the targets that its command line names, this platform alone by default, and writes the checksums.
 * What is for this platform goes into `dist`, what is for a named one into a folder of its name there.
 */
export async function runReleaseTool(tool: ReleaseTool, args: readonly string[]): Promise<void> {
  await newCommand(tool.name, tool.description, tool.examples)
    .option("--target <name...>", "platforms, as linux-x64 or x86_64-unknown-linux-gnu (default: this one)")
    .option("--output <folder>", "where it goes", join(PROJECT_FOLDER, "dist"))
    .action(async ({ target: named, output }) => {
      const revision = await sourceRevision();
      if (revision.modified) print("Made from files that differ from the commit: for trying out, not for others.");
      for (const target of named === undefined ? [releaseTarget()] : named.map((each) => releaseTarget(each))) {
        // deno-lint-ignore no-await-in-loop -- one after the other, as their lines are read
        await makeRelease(tool, target, revision, named === undefined ? output : join(output, target.name));
      }
      await writeChecksums(output);
    })
    .parseAsync([...args], { from: "user" });
}

async function makeRelease(
  tool: ReleaseTool,
  target: ReleaseTarget,
  revision: SourceRevision,
  output: string,
): Promise<void> {
  const scratch = await Deno.makeTempDir({ prefix: "palyra-release-" });
  try {
    const stage = await stageRelease(join(scratch, "stage"), target, revision);
    await Deno.mkdir(output, { recursive: true });
    if (target.addonPackage === undefined) {
      print(`${target.name}: without QUIC, whose native library is not built for it. gRPC serves.`);
    }
    await tool.make({ target, stage, revision, output, scratch });
  } finally {
    await Deno.remove(scratch, { recursive: true });
  }
}

/** One line about a file that was made. */
export async function printMade(path: string, sha256: string): Promise<void> {
  const { size } = await Deno.stat(path);
  print(`${path}\n  ${(size / 1024 ** 2).toFixed(1)} MiB, SHA-256 ${sha256}`);
}
