import { PalyraError } from "../../../identity/palyra_error.ts";
import { type EnvironmentReader, environmentText } from "../environment.ts";

/** The user's home. Throws `invalid_config` when nothing tells where it is. */
export function homeFolder(environment: EnvironmentReader): string {
  const home = environmentText(environment, "HOME");
  if (home !== undefined) return home;
  throw new PalyraError(
    "invalid_config",
    "The variable HOME is not set, so there is no telling where this user's services belong: set it.",
  );
}
