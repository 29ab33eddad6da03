import { dirname, isAbsolute, join } from "node:path";
import { type EnvironmentReader, environmentText } from "../transport/program/environment.ts";
import { stateFolder } from "../transport/program/state_folder.ts";

const FOLDER = "generations";

/**
 * Where the generation of a state folder is kept when nothing else is configured: beside the folder, so that restoring it
 * does not restore that as well; and for the state of the platform's usual place also in the user's cache, which backups
 * leave out.
 */
export function generationFolders(
  folder: string,
  environment: EnvironmentReader,
  platform: typeof Deno.build.os = Deno.build.os,
): readonly string[] {
  const beside = join(dirname(folder), FOLDER);
  const cache = folder === usualFolder(environment, platform) ? cacheFolder(environment, platform) : undefined;
  return cache === undefined ? [beside] : [beside, join(cache, FOLDER)];
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
  const home = environmentText(environment, "HOME");
  switch (platform) {
    case "windows":
      return undefined;
    case "darwin":
      return home && join(home, "Library", "Caches", "Palyra");
    default: {
      const named = environmentText(environment, "XDG_CACHE_HOME");
      if (named !== undefined && isAbsolute(named)) return join(named, "palyra");
      return home && join(home, ".cache", "palyra");
    }
  }
}
