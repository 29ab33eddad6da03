import { START_SCRIPT_VARIABLE } from "../../transport/program/service/program_launch.ts";
import { permissionFlags, RUNTIME_FLAGS } from "./permission_list.ts";
import { bundleFile, type ReleaseProgram } from "./release_program.ts";
import { addonFile } from "./release_stage.ts";
import type { ReleaseTarget } from "./release_target.ts";

/** The folder of a package that holds Deno, the bundles and the addon. */
export const PACKAGE_LIBRARY = "lib";

/** Deno's file in a package's library. */
export function denoFile({ executableSuffix }: ReleaseTarget): string {
  return `deno${executableSuffix}`;
}

/** What Deno is not to look at around the package or on the network. */
const QUIET_START: readonly string[] = ["run", "--quiet", "--no-config", "--no-lock", "--no-remote", "--no-npm"];

/** The name of a program's start script. */
export function startScriptName({ name }: ReleaseProgram, { os }: ReleaseTarget): string {
  return os === "windows" ? `${name}.cmd` : name;
}

/**
 * The script that starts a program of a package with Deno and its permissions, from wherever the package lies. It needs
 * nothing of the PATH, and becomes the program, so that a service manager sees one process.
 */
export function startScript(program: ReleaseProgram, target: ReleaseTarget): string {
  return target.os === "windows" ? commandScript(program, target) : shellScript(program, target);
}

function shellScript(program: ReleaseProgram, target: ReleaseTarget): string {
  const library = `$here/${PACKAGE_LIBRARY}`;
  const flags = scriptFlags(program, target, (file) => `${library}/${file}`);
  return `#!/bin/sh
# ${program.name}, with the Deno of this package and the permissions below.
set -eu
script=$0
case $script in */*) ;; *) script=./$script ;; esac
while [ -L "$script" ]; do
  link=$(command -p readlink "$script")
  case $link in /*) script=$link ;; *) script=\${script%/*}/$link ;; esac
done
here=$(CDPATH='' cd -P -- "\${script%/*}/" && pwd -P)
case $here in
  *,*)
    echo "error: Deno's lists of permissions are split at commas, and $here has one: move the package." >&2
    exit 2
    ;;
esac
export ${START_SCRIPT_VARIABLE}="$here/${program.name}"
export DENO_NO_PACKAGE_JSON=1 DENO_NO_UPDATE_CHECK=1
exec "${library}/${denoFile(target)}" ${QUIET_START.join(" ")} \\
${flags.map((flag) => `  ${shellWord(flag)} \\\n`).join("")}  "${library}/${bundleFile(program.bundle)}" "$@"
`;
}

function commandScript(program: ReleaseProgram, target: ReleaseTarget): string {
  const library = `%~dp0${PACKAGE_LIBRARY}\\`;
  const flags = scriptFlags(program, target, (file) => `${library}${file.replaceAll("/", "\\")}`);
  const lines = [
    "@echo off",
    `rem ${program.name}, with the Deno of this package and the permissions below.`,
    "setlocal",
    `set "${START_SCRIPT_VARIABLE}=%~f0"`,
    'set "DENO_NO_PACKAGE_JSON=1"',
    'set "DENO_NO_UPDATE_CHECK=1"',
    `"${library}${denoFile(target)}" ${QUIET_START.join(" ")} ^`,
    ...flags.map((flag) => `  "${flag}" ^`),
    `  "${library}${bundleFile(program.bundle)}" %*`,
    "exit /b %ERRORLEVEL%",
  ];
  return lines.map((line) => `${line}\r\n`).join("");
}

function scriptFlags(program: ReleaseProgram, target: ReleaseTarget, inLibrary: (file: string) => string): string[] {
  const addon = addonFile(target);
  const addonPath = addon === undefined ? undefined : inLibrary(addon);
  const denoPath = inLibrary(denoFile(target));
  return [...RUNTIME_FLAGS, ...permissionFlags(program.name, target, { addonPath, denoPath })];
}

/** In double quotes, so that `$here` is filled in, where a bare word would not do. */
function shellWord(word: string): string {
  return /^[A-Za-z0-9_=,./-]+$/.test(word) ? word : `"${word}"`;
}
