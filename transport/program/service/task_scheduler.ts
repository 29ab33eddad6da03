import { win32 } from "node:path";
import { PalyraError } from "../../../identity/palyra_error.ts";
import { type EnvironmentReader, environmentText } from "../environment.ts";
import { type CommandEnd, type CommandLine, firstLine } from "./command_runner.ts";
import {
  type ServiceDefinition,
  serviceLogFile,
  type ServiceProgram,
  type ServiceScope,
} from "./service_definition.ts";
import type { ServiceFile, ServiceManager, ServiceStatus, ServiceStep } from "./service_manager.ts";
import { windowsArgument } from "./windows_argument.ts";
import { LOCAL_SERVICE_SID, windowsTask } from "./windows_task.ts";
import { xmlText } from "./xml_text.ts";

/** Task states as PowerShell numbers them. */
const STATES: ReadonlyMap<string, string> = new Map([
  ["0", "not installed"],
  ["1", "disabled"],
  ["2", "queued"],
  ["3", "ready"],
  ["4", "running"],
]);

/** What {@linkcode TaskScheduler} needs. */
export interface TaskSchedulerFacts {
  readonly scope: ServiceScope;
  readonly environment: EnvironmentReader;
}

/** The Windows Task Scheduler; {@linkcode windowsTask} says why. */
export class TaskScheduler implements ServiceManager {
  readonly title: string;
  readonly scope: ServiceScope;
  readonly #folder: string;
  readonly #userName: string | undefined;

  constructor({ scope, environment }: TaskSchedulerFacts) {
    this.scope = scope;
    this.title = scope === "system" ? "Task Scheduler (at boot)" : "Task Scheduler (at logon)";
    const variable = scope === "system" ? "ProgramData" : "LOCALAPPDATA";
    const base = environmentText(environment, variable);
    if (base === undefined) {
      throw new PalyraError("invalid_config", `The variable ${variable} is not set, so no task can be kept: set it.`);
    }
    this.#folder = win32.join(base, "Palyra");
    this.#userName = accountName(environment);
  }

  path(program: ServiceProgram): string {
    return win32.join(this.#folder, `${program}-task.xml`);
  }

  file(definition: ServiceDefinition): ServiceFile {
    return {
      path: this.path(definition.program),
      text: windowsTask(definition, this.scope, this.#userName),
      encoding: "utf-16le",
    };
  }

  serves(text: string, stateRoot: string): boolean {
    return text.includes(` --state-root ${xmlText(windowsArgument(stateRoot))} `);
  }

  register({ program, stateFolder }: ServiceDefinition): ServiceStep[] {
    const create = schtasks("/Create", "/TN", taskName(program), "/XML", this.path(program), "/F");
    if (this.scope === "user") return [create];
    // The account that the task runs as owns no folder of its own.
    const grant = { command: "icacls", args: [stateFolder, "/grant", `*${LOCAL_SERVICE_SID}:(OI)(CI)F`] };
    return [grant, create];
  }

  startRegistered(program: ServiceProgram): ServiceStep[] {
    return this.restart(program);
  }

  start(program: ServiceProgram): ServiceStep[] {
    return [schtasks("/Run", "/TN", taskName(program))];
  }

  stop(program: ServiceProgram): ServiceStep[] {
    return [schtasks("/End", "/TN", taskName(program))];
  }

  restart(program: ServiceProgram): ServiceStep[] {
    return [{ ...schtasks("/End", "/TN", taskName(program)), mayFail: true }, ...this.start(program)];
  }

  unregister(program: ServiceProgram): ServiceStep[] {
    return [
      { ...schtasks("/End", "/TN", taskName(program)), mayFail: true },
      schtasks("/Delete", "/TN", taskName(program), "/F"),
    ];
  }

  forget(_program: ServiceProgram): ServiceStep[] {
    return [];
  }

  query(program: ServiceProgram): CommandLine {
    // schtasks answers in the user's language.
    const task = `Get-ScheduledTask -TaskPath '\\Palyra\\' -TaskName '${program}' -ErrorAction SilentlyContinue`;
    const question = `$task = ${task}; if ($task) { $task.State.value__ } else { 0 }`;
    return { command: "powershell", args: ["-NoProfile", "-NonInteractive", "-Command", question] };
  }

  status(answer: CommandEnd): ServiceStatus {
    const state = STATES.get(answer.stdout.trim());
    if (answer.code !== 0 || state === undefined) {
      throw new PalyraError(
        "service_manager_unavailable",
        `The Task Scheduler does not answer (${
          firstLine(answer.stderr)
        }): look for the task in \\Palyra in its window.`,
      );
    }
    return { enabled: state !== "disabled" && state !== "not installed", running: state === "running", detail: state };
  }

  logs(definition: ServiceDefinition): string {
    return `Get-Content -Wait '${serviceLogFile(definition)}'`;
  }
}

function taskName(program: ServiceProgram): string {
  return `\\Palyra\\${program}`;
}

function schtasks(...args: readonly string[]): CommandLine {
  return { command: "schtasks", args };
}

function accountName(environment: EnvironmentReader): string | undefined {
  const name = environmentText(environment, "USERNAME");
  const domain = environmentText(environment, "USERDOMAIN");
  return name === undefined || domain === undefined ? name : `${domain}\\${name}`;
}
