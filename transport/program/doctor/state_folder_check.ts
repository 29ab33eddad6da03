import { join } from "node:path";
import { stateError } from "../../../identity/state_error.ts";
import { CONFIG_FILE_NAME } from "../config_file.ts";
import type { Check } from "./check.ts";
import { failed, type Finding, ok } from "./finding.ts";

const OTHERS = 0o077;
const OTHERS_WRITE = 0o022;

/** Entries that are looked at; a state folder has a few dozen. */
const MAX_ENTRIES = 1_000;
/** Paths that a finding names. */
const MAX_NAMED = 5;

/** What {@linkcode stateFolderCheck} looks at. */
export interface StateFolderCheckOptions {
  readonly folder: string;
  /** What makes the folder: the cure when it is not there. */
  readonly makeIt: string;
}

/** A path that others may use, and the mode that would close it. */
interface WidePath {
  readonly path: string;
  readonly mode: "600" | "700";
}

/**
 * Whether the state folder is there, can be read, and is its owner's alone: folders 0700, files 0600. The configuration
 * holds no secret, so that one may be read by others, but not written. On Windows the profile's own rights stand.
 */
export function stateFolderCheck(options: StateFolderCheckOptions): Check {
  return { name: "state_folder", examine: () => examine(options) };
}

async function examine({ folder, makeIt }: StateFolderCheckOptions): Promise<Finding> {
  const wide: WidePath[] = [];
  const walk = new StateWalk(wide);
  try {
    if (!(await Deno.stat(folder)).isDirectory) {
      return failed(
        "invalid_config",
        `${folder} is not a folder.`,
        "Move it away, or name another folder with `--state-root`.",
      );
    }
    await walk.folder(folder);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      return failed("state_not_initialised", `There is no state folder ${folder}.`, makeIt);
    }
    throw stateError(error, folder);
  }
  if (wide.length === 0) return ok(`${folder} can be read, and by its owner alone.`);
  const named = wide.slice(0, MAX_NAMED).map(({ path }) => path).join(", ");
  const more = wide.length > MAX_NAMED ? ` and ${wide.length - MAX_NAMED} more` : "";
  return failed("state_not_private", `Other users of this machine may use ${named}${more}.`, cureOf(wide));
}

class StateWalk {
  readonly #wide: WidePath[];
  #left = MAX_ENTRIES;

  constructor(wide: WidePath[]) {
    this.#wide = wide;
  }

  async folder(path: string): Promise<void> {
    // The state folder itself may be a link to where there is room; the folders in it are none.
    this.#judge(path, "700", (await Deno.stat(path)).mode, OTHERS);
    for await (const { name, isDirectory, isFile, isSymlink } of Deno.readDir(path)) {
      if (this.#left === 0) return;
      this.#left--;
      const entry = join(path, name);
      if (isDirectory) await this.folder(entry);
      // A link has no rights of its own, and what it leads to is not the program's.
      else if (!isSymlink) await this.#file(entry, isFile, name === CONFIG_FILE_NAME ? OTHERS_WRITE : OTHERS);
    }
  }

  async #file(path: string, isPlain: boolean, forbidden: number): Promise<void> {
    try {
      this.#judge(path, "600", (await Deno.lstat(path)).mode, forbidden);
      // The owner may have lost the right to read it: root has made it, say.
      if (isPlain) (await Deno.open(path)).close();
    } catch (error) {
      // Files come and go while the program runs.
      if (!(error instanceof Deno.errors.NotFound)) throw stateError(error, path);
    }
  }

  #judge(path: string, mode: WidePath["mode"], found: number | null, forbidden: number): void {
    // Windows tells no mode.
    if (found === null || Deno.build.os === "windows" || (found & forbidden) === 0) return;
    this.#wide.push({ path, mode });
  }
}

/** One command for the folders and one for the files. */
function cureOf(wide: readonly WidePath[]): string {
  const commands = (["700", "600"] as const).flatMap((mode) => {
    const paths = wide.filter((each) => each.mode === mode).slice(0, MAX_NAMED).map(({ path }) => shellWord(path));
    return paths.length === 0 ? [] : [`\`chmod ${mode} ${paths.join(" ")}\``];
  });
  return `Run ${commands.join(" and ")}; replace what others may have read and must not know.`;
}

function shellWord(path: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`;
}
