import { dirname, isAbsolute, join } from "node:path";
import { type EnvironmentReader, environmentText } from "../transport/program/environment.ts";
import { stateFolder } from "../transport/program/state_folder.ts";

const FOLDER = "generations";

/** One folder, and not one within another, which whoever runs the service might not enter. */
const MACHINE_FOLDER = `/var/cache/palyra-${FOLDER}`;

/**
 * Where the generation of a state folder is kept when nothing else is configured: beside the folder, so that restoring it
 * does not restore that as well; and for the state of the platform's usual place also in the user's cache, for one below
 * `/var/lib` in the machine's (Filesystem Hierarchy Standard 3.0, section 5.5), which backups leave out: they take the
 * folder above the state as a whole.
 */
export function generationFolders(
  folder: string,
  environment: EnvironmentReader,
  platform: typeof Deno.build.os = Deno.build.os,
): readonly string[] {
  const beside = join(dirname(folder), FOLDER);
  if (folder === usualFolder(environment, platform)) {
    const cache = cacheFolder(environment, platform);
    return cache === undefined ? [beside] : [beside, join(cache, FOLDER)];
  }
  return platform === "linux" && folder.startsWith("/var/lib/") ? [beside, MACHINE_FOLDER] : [beside];
}

/** Those that an installation by the user `uid` can make: for the machine's cache it has to be root. */
export function installableFolders(folders: readonly string[], uid: number | null): readonly string[] {
  return uid === 0 ? folders : folders.filter((folder) => folder !== MACHINE_FOLDER);
}

function usualFolder(environment: EnvironmentReader, platform: typeof Deno.build.os): string | undefined {
  // However the place was named: a service names it, and the same daemon in a terminal does not.
  const unnamed = { get: (name: string) => name === "PALYRA_STATE_ROOT" ? undefined : environment.get(name) };
  try {
    return stateFolder("palyrad", { environment: unnamed, platform });
  } catch {
    // There is no usual place where there is no home.
    return undefined;
  }
}

/** `$XDG_CACHE_HOME` or `~/.cache` (XDG Base Directory 0.8), `~/Library/Caches`; Windows has none that stays. */
function cacheFolder(environment: EnvironmentReader, platform: typeof Deno.build.os): string | undefined {
  // Nothing is asked for that the platform has no use for: a released program may not read it there.
  if (platform === "windows") return undefined;
  const home = environmentText(environment, "HOME");
  switch (platform) {
    case "darwin":
      return home && join(home, "Library", "Caches", "Palyra");
    default: {
      const named = environmentText(environment, "XDG_CACHE_HOME");
      if (named !== undefined && isAbsolute(named)) return join(named, "palyra");
      return home && join(home, ".cache", "palyra");
    }
  }
}
