import { CommanderError } from "@commander-js/extra-typings";
import { fileURLToPath } from "node:url";
import project from "../../deno.json" with { type: "json" };
import { BUILD_COMMIT } from "./build_commit.ts";
import { type CliCommand, jsonRequested } from "./cli_command.ts";
import { print, printJson } from "./cli_output.ts";
import { sourceCommit } from "./source_commit.ts";

/** The project's version, from `deno.json`: the one place where it is written. */
export const PROJECT_VERSION: string = project.version;

/** How much of a commit's name people are shown. */
const SHOWN_COMMIT_CHARACTERS = 7;

/** The commit that this was built from, or that the source stands at; undefined when nothing tells. */
export function projectCommit(): string | undefined {
  if (BUILD_COMMIT !== "") return BUILD_COMMIT;
  // Bundled with the rest, this file lies elsewhere, perhaps in a checkout of something else.
  if (!/^file:.*\/transport\/program\/version\.ts$/.test(import.meta.url)) return undefined;
  return sourceCommit(fileURLToPath(new URL("../../", import.meta.url)));
}

/** What `--version` prints: `palyrad 0.1.0 (abc1234, Deno 2.9.6)`. */
export function versionText(program: string, commit: string = projectCommit() ?? "unknown"): string {
  return `${program} ${PROJECT_VERSION} (${commit.slice(0, SHOWN_COMMIT_CHARACTERS)}, Deno ${Deno.version.deno})`;
}

/** What `--version --json` prints. */
export function versionJson(program: string): Readonly<Record<string, unknown>> {
  return {
    program,
    version: PROJECT_VERSION,
    commit: projectCommit() ?? null,
    deno: Deno.version.deno,
    v8: Deno.version.v8,
    platform: `${Deno.build.os}-${Deno.build.arch}`,
    compiled: Deno.build.standalone,
  };
}

/** Gives a program's root command the option `-V, --version`, which looks for the commit only when it is asked. */
export function addVersion<Root extends CliCommand>(root: Root): Root {
  root.option("-V, --version", "show the version");
  root.on("option:version", () => {
    if (jsonRequested(Deno.args)) printJson(versionJson(root.name()));
    else print(versionText(root.name()));
    // As commander's own version option ends.
    throw new CommanderError(0, "commander.version", "(outputVersion)");
  });
  return root;
}
