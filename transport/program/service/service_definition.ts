import { dirname, join, sep } from "node:path";
import type { ProgramLaunch } from "./program_launch.ts";

/** The programs that run as services; also the names of their services. */
export type ServiceProgram = "palyrad" | "palyra-node";

/** Whose service manager runs a service: the machine's, from boot, or the user's, from login. */
export type ServiceScope = "system" | "user";

/** What a service manager is told, whichever it is. */
export interface ServiceDefinition {
  readonly program: ServiceProgram;
  /** A few words for people. */
  readonly description: string;
  readonly launch: ProgramLaunch;
  /** An absolute path: the state root that `--state-root` names. */
  readonly stateRoot: string;
  /** The program's own folder in it; it writes nowhere else but to its log and `writtenFolders`. */
  readonly stateFolder: string;
  /** An absolute path, when the configuration file is not the one in the state folder. */
  readonly configFile: string | undefined;
  /** The absolute path of the log file that is configured, if there is one. */
  readonly logFile: string | undefined;
  /** The absolute paths of folders that it writes to, beside its own and its log's. */
  readonly writtenFolders?: readonly string[];
  /** The absolute paths of folders that it only reads. */
  readonly readFolders: readonly string[];
  /** Who owns the state folder, and so who runs a system service; undefined where the system does not tell. */
  readonly owner: FolderOwner | undefined;
  /**
   * It starts programs of the user's own (a browser, an editor), which inherit every restriction of the service. Only
   * ever true in a user's scope.
   */
  readonly startsPrograms: boolean;
  /** The user's session tells when the desktop is up (systemd's `graphical-session.target`). */
  readonly desktopSession: boolean;
  /** Where Deno keeps its modules, for a program that runs from source. */
  readonly denoFolder: string | undefined;
}

/** A folder's owner and group. */
export interface FolderOwner {
  readonly uid: number;
  readonly gid: number;
  /** The owner's name, where the service manager wants that: on macOS. */
  readonly name?: string;
}

/** The verb and options with which the service starts, after what {@linkcode ProgramLaunch} says. */
export function runArguments({ stateRoot, configFile }: ServiceDefinition): string[] {
  return ["run", "--state-root", stateRoot, ...(configFile === undefined ? [] : ["--config", configFile])];
}

/** The same where nothing else keeps what the program logs: with a log file, the configured one or one of its own. */
export function runArgumentsWithLog(definition: ServiceDefinition): string[] {
  return [...runArguments(definition), "--log-file", serviceLogFile(definition)];
}

/** Where the program logs to when the platform has no journal. */
export function serviceLogFile({ program, stateFolder, logFile }: ServiceDefinition): string {
  return logFile ?? join(stateFolder, "logs", `${program}.log`);
}

/** The folders that the program must be able to write to. */
export function writableFolders({ stateFolder, logFile, writtenFolders = [] }: ServiceDefinition): string[] {
  const isOwn = logFile === undefined || logFile.startsWith(stateFolder + sep);
  return [stateFolder, ...writtenFolders, ...isOwn ? [] : [dirname(logFile)]];
}

/** Every path of a service that its manager must not hide from it. */
export function visiblePaths(definition: ServiceDefinition): string[] {
  const { launch, configFile, denoFolder, readFolders } = definition;
  const read = [configFile ?? "", denoFolder ?? "", ...readFolders];
  return [launch.executable, ...launch.args, ...read, ...writableFolders(definition)]
    .filter((path) => path.startsWith(sep));
}
