import { PalyraError } from "../../../identity/palyra_error.ts";
import type { EnvironmentReader } from "../environment.ts";
import type { ServiceScope } from "./service_definition.ts";
import { type ServiceManager, serviceManagerFor } from "./service_manager.ts";

/** The options that choose whose service manager is meant. */
export interface ScopeOptions {
  readonly system?: true | undefined;
  readonly user?: true | undefined;
}

/** Those options, as commander wants them: flags and help. */
export const SYSTEM_OPTION = ["--system", "the machine's service, from boot on; takes root"] as const;
export const USER_OPTION = ["--user", "this user's service, from login on (default, unless root)"] as const;

/**
 * The scope that the options name; undefined when they name none.
 *
 * @throws {PalyraError} `invalid_argument` when they name both.
 */
export function chosenScope({ system, user }: ScopeOptions): ServiceScope | undefined {
  if (system && user) throw new PalyraError("invalid_argument", "Give either --system or --user, not both.");
  if (system) return "system";
  return user ? "user" : undefined;
}

/** The manager for a new service: the chosen one, else the machine's for root and the user's for others. */
export function managerForInstall(options: ScopeOptions, environment: EnvironmentReader): ServiceManager {
  const uid = userId();
  const scope = chosenScope(options) ?? (uid === 0 ? "system" : "user");
  if (scope === "system" && uid !== undefined && uid !== 0) {
    throw new PalyraError(
      "permission_missing",
      "Only root can install a system service: use sudo, or leave --system out.",
    );
  }
  return serviceManagerFor({ scope, environment, uid });
}

/**
 * The managers in which a service may be installed already: the chosen one, or the user's and then the machine's. One
 * that was not asked for is left out where the environment does not tell where its services would be.
 */
export function managersToSearch(options: ScopeOptions, environment: EnvironmentReader): ServiceManager[] {
  const uid = userId();
  const scope = chosenScope(options);
  if (scope !== undefined) return [serviceManagerFor({ scope, environment, uid })];
  return (["user", "system"] as const).flatMap((each) => {
    try {
      return [serviceManagerFor({ scope: each, environment, uid })];
    } catch (error) {
      if (error instanceof PalyraError && error.code === "invalid_config") return [];
      throw error;
    }
  });
}

/** Undefined on Windows, and where Deno may not ask (`--allow-sys=uid`). */
function userId(): number | undefined {
  try {
    return Deno.uid() ?? undefined;
  } catch {
    return undefined;
  }
}
