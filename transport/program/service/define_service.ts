import { dirname, join } from "node:path";
import { PalyraError } from "../../../identity/palyra_error.ts";
import { type EnvironmentReader, environmentText } from "../environment.ts";
import type { CommandLine, CommandRunner } from "./command_runner.ts";
import { homeFolder } from "./home_folder.ts";
import { type LaunchFacts, programLaunch } from "./program_launch.ts";
import type { FolderOwner, ServiceDefinition } from "./service_definition.ts";
import type { ServiceFacts, ServiceHost } from "./service_host.ts";
import type { ServiceManager } from "./service_manager.ts";

/** What {@linkcode defineService} looks at. */
export interface DefinitionSources {
  readonly host: Pick<ServiceHost, "program" | "description">;
  readonly facts: ServiceFacts;
  /** It starts programs of the user's own, as `ServiceHost` says. */
  readonly startsPrograms: boolean;
  readonly manager: ServiceManager;
  readonly runner: CommandRunner;
  readonly environment: EnvironmentReader;
  /** How this process was started; found out by default. */
  readonly launch?: LaunchFacts;
}

/**
 * Puts together what a service manager is told. Changes nothing. Rejects as `programLaunch` does, and on macOS with
 * `service_command_failed` when the owner of the state folder has no name.
 */
export async function defineService(sources: DefinitionSources): Promise<ServiceDefinition> {
  const { host, facts, manager, runner, environment } = sources;
  const launch = programLaunch({ environment, ...sources.launch });
  const startsPrograms = sources.startsPrograms && manager.scope === "user";
  return {
    program: host.program,
    description: host.description,
    launch,
    stateRoot: dirname(facts.stateFolder),
    stateFolder: facts.stateFolder,
    configFile: facts.configFile,
    logFile: facts.logFile,
    readFolders: facts.readFolders,
    ...facts.writtenFolders !== undefined && { writtenFolders: facts.writtenFolders },
    owner: manager.scope === "system" ? await ownerOf(facts.stateFolder, runner) : undefined,
    startsPrograms,
    desktopSession: startsPrograms && await hasDesktopSession(runner),
    denoFolder: launch.kind === "source" ? denoFolder(environment) : undefined,
  };
}

async function ownerOf(folder: string, runner: CommandRunner): Promise<FolderOwner | undefined> {
  const { uid, gid } = await Deno.stat(folder).catch((error: unknown) => {
    // It is made by the installation, and belongs then to whoever installs.
    if (error instanceof Deno.errors.NotFound) return { uid: null, gid: null };
    throw error;
  });
  if (uid === null || gid === null) return undefined;
  if (Deno.build.os !== "darwin") return { uid, gid };
  const { code, stdout } = await runner.run({ command: "id", args: ["-un", String(uid)] });
  if (code === 0) return { uid, gid, name: stdout.trim() };
  // Without a name launchd would run it as root.
  throw new PalyraError(
    "service_command_failed",
    `Nobody knows the owner of ${folder}, the user ${uid}: give the folder to a user of this machine.`,
  );
}

/** Only desktops that tell systemd of themselves have the target; elsewhere the service starts at login. */
async function hasDesktopSession(runner: CommandRunner): Promise<boolean> {
  if (Deno.build.os !== "linux") return false;
  const args = ["--user", "is-active", "--quiet", "graphical-session.target"];
  return await succeeds({ command: "systemctl", args }, runner);
}

/** What cannot be asked is not so; whoever goes on to use the command learns why. */
async function succeeds(line: CommandLine, runner: CommandRunner): Promise<boolean> {
  return await runner.run(line).then(({ code }) => code === 0, () => false);
}

/** Where Deno keeps its modules: `DENO_DIR`, else the platform's folder for caches. */
function denoFolder(environment: EnvironmentReader): string {
  const named = environmentText(environment, "DENO_DIR");
  if (named !== undefined) return named;
  switch (Deno.build.os) {
    case "windows":
      return join(environmentText(environment, "LOCALAPPDATA") ?? homeFolder(environment), "deno");
    case "darwin":
      return join(homeFolder(environment), "Library", "Caches", "deno");
    default:
      return join(environmentText(environment, "XDG_CACHE_HOME") ?? join(homeFolder(environment), ".cache"), "deno");
  }
}
