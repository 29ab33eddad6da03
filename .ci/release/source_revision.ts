import { PROJECT_FOLDER } from "./release_program.ts";
import { runTool } from "./run_tool.ts";

/** Which sources a release is made from. */
export interface SourceRevision {
  /** The commit, in full. */
  readonly commit: string;
  /** Whether files differ from that commit. Such a build is for trying out: nobody else can make it again. */
  readonly modified: boolean;
  /** When the commit was made, in seconds since 1970: the time of every file in a release. */
  readonly seconds: number;
}

/** The revision of the sources that are here. Needs git. */
export async function sourceRevision(): Promise<SourceRevision> {
  const git = (...args: string[]) => runTool("git", args, { cwd: PROJECT_FOLDER });
  const [shown, changed] = await Promise.all([
    git("show", "--no-patch", "--format=%H %ct", "HEAD"),
    git("status", "--porcelain"),
  ]);
  const [commit = "", seconds] = shown.trim().split(" ");
  return { commit, modified: changed !== "", seconds: Number(seconds) };
}
