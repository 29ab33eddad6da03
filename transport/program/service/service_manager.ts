import { PalyraError } from "../../../identity/palyra_error.ts";
import type { EnvironmentReader } from "../environment.ts";
import type { CommandEnd, CommandLine } from "./command_runner.ts";
import { LaunchdManager } from "./launchd_manager.ts";
import type { ServiceDefinition, ServiceProgram, ServiceScope } from "./service_definition.ts";
import { SystemdManager } from "./systemd_manager.ts";
import { TaskScheduler } from "./task_scheduler.ts";

/** A file that tells a service manager about a service. */
export interface ServiceFile {
  readonly path: string;
  readonly text: string;
  /** How the text lies on the disk. */
  readonly encoding: "utf-8" | "utf-16le";
}

/** A command on the way to an end. */
export interface ServiceStep extends CommandLine {
  /** Its failure only says that there was nothing to do. */
  readonly mayFail?: boolean;
}

/** What a service manager says of a service. */
export interface ServiceStatus {
  /** It starts by itself, at boot or login. Undefined where the manager does not tell. */
  readonly enabled: boolean | undefined;
  readonly running: boolean;
  /** The manager's own word: `active (running)`. */
  readonly detail: string;
}

/**
 * One service manager in one scope: which files it wants, which commands it takes. Everything here is pure; only what
 * runs the commands and writes the files touches the machine.
 */
export interface ServiceManager {
  /** For people: `systemd (user)`. */
  readonly title: string;
  readonly scope: ServiceScope;
  /** Where a service's file lies; it is installed when the file is there. */
  path(program: ServiceProgram): string;
  /** The service's file. */
  file(definition: ServiceDefinition): ServiceFile;
  /** Whether a service file of that text is for a program on this state root. */
  serves(text: string, stateRoot: string): boolean;
  /** Makes the manager know a new or changed file, and start the service by itself from the next boot or login on. */
  register(definition: ServiceDefinition): readonly ServiceStep[];
  /** Starts a service afresh after it was registered, whether it ran before or not. */
  startRegistered(program: ServiceProgram): readonly ServiceStep[];
  start(program: ServiceProgram): readonly ServiceStep[];
  stop(program: ServiceProgram): readonly ServiceStep[];
  restart(program: ServiceProgram): readonly ServiceStep[];
  /** Stops it and makes the manager forget it, before its file is removed. */
  unregister(program: ServiceProgram): readonly ServiceStep[];
  /** What is left to do once its file is removed. */
  forget(program: ServiceProgram): readonly ServiceStep[];
  /** The command that asks how the service stands; it changes nothing. */
  query(program: ServiceProgram): CommandLine;
  /** Reads its answer. Throws `service_manager_unavailable`, with the cure, when the manager cannot be asked. */
  status(answer: CommandEnd): ServiceStatus;
  /** How to read what the service logs, as a command or a path. */
  logs(definition: ServiceDefinition): string;
}

/** What decides which service manager there is. */
export interface ServiceManagerFacts {
  readonly scope: ServiceScope;
  readonly environment: EnvironmentReader;
  /** This machine's by default. */
  readonly platform?: typeof Deno.build.os;
  /** The user's number, where users have one. */
  readonly uid: number | undefined;
}

/**
 * The service manager of a platform.
 *
 * @throws {PalyraError} `unsupported` on a platform without one that is known here, `invalid_config` when nothing tells
 * where the user's home is.
 */
export function serviceManagerFor({ platform = Deno.build.os, ...facts }: ServiceManagerFacts): ServiceManager {
  switch (platform) {
    case "linux":
      return new SystemdManager(facts);
    case "darwin":
      return new LaunchdManager(facts);
    case "windows":
      return new TaskScheduler(facts);
    default:
      throw new PalyraError(
        "unsupported",
        `Services are not known for ${platform}: have its own service manager start the program with \`run\`.`,
      );
  }
}
