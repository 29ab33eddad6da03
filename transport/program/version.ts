import project from "../../deno.json" with { type: "json" };

/** The project's version, from `deno.json`: the one place where it is written. */
export const PROJECT_VERSION: string = project.version;

/** What runs the program: `Deno 2.9.6 on linux x86_64`. */
export const RUNTIME = `Deno ${Deno.version.deno} on ${Deno.build.os} ${Deno.build.arch}`;

/** What `--version` prints: `palyrad 0.1.0 (Deno 2.9.6 on linux x86_64)`. */
export function versionText(program: string): string {
  return `${program} ${PROJECT_VERSION} (${RUNTIME})`;
}
