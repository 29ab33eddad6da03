import { join } from "node:path";
import type { EnvironmentReader } from "../environment.ts";
import type { CommandEnd, CommandLine } from "./command_runner.ts";
import { homeFolder } from "./home_folder.ts";
import { launchdLabel, launchdPlist } from "./launchd_plist.ts";
import {
  type ServiceDefinition,
  serviceLogFile,
  type ServiceProgram,
  type ServiceScope,
} from "./service_definition.ts";
import type { ServiceFile, ServiceManager, ServiceStatus, ServiceStep } from "./service_manager.ts";
import { xmlText } from "./xml_text.ts";

/** What {@linkcode LaunchdManager} needs. */
export interface LaunchdFacts {
  readonly scope: ServiceScope;
  readonly environment: EnvironmentReader;
  readonly uid: number | undefined;
}

/** macOS' launchd: the machine's daemons, or the agents of a user who is logged in. */
export class LaunchdManager implements ServiceManager {
  readonly title: string;
  readonly scope: ServiceScope;
  readonly #folder: string;
  readonly #domain: string;

  constructor({ scope, environment, uid }: LaunchdFacts) {
    this.scope = scope;
    this.title = scope === "system" ? "launchd (daemon)" : "launchd (agent)";
    this.#domain = scope === "system" ? "system" : `gui/${uid ?? 0}`;
    this.#folder = scope === "system"
      ? "/Library/LaunchDaemons"
      : join(homeFolder(environment), "Library", "LaunchAgents");
  }

  path(program: ServiceProgram): string {
    return join(this.#folder, `${launchdLabel(program)}.plist`);
  }

  file(definition: ServiceDefinition): ServiceFile {
    // An agent is its user's anyway.
    const userName = this.scope === "system" ? definition.owner?.name : undefined;
    return { path: this.path(definition.program), text: launchdPlist(definition, userName), encoding: "utf-8" };
  }

  serves(text: string, stateRoot: string): boolean {
    return text.includes(`<string>--state-root</string><string>${xmlText(stateRoot)}</string>`);
  }

  register({ program }: ServiceDefinition): ServiceStep[] {
    // A job that was disabled once stays so, whatever its file says.
    return [this.#launchctl("enable", this.#target(program))];
  }

  startRegistered(program: ServiceProgram): ServiceStep[] {
    return [
      // Fails when launchd does not know it; else it would go on with the former file.
      { ...this.#launchctl("bootout", this.#target(program)), mayFail: true },
      this.#launchctl("bootstrap", this.#domain, this.path(program)),
    ];
  }

  start(program: ServiceProgram): ServiceStep[] {
    return [
      // Fails when launchd knows it already.
      { ...this.#launchctl("bootstrap", this.#domain, this.path(program)), mayFail: true },
      this.#launchctl("kickstart", this.#target(program)),
    ];
  }

  stop(program: ServiceProgram): ServiceStep[] {
    return [this.#launchctl("kill", "SIGTERM", this.#target(program))];
  }

  restart(program: ServiceProgram): ServiceStep[] {
    return this.startRegistered(program);
  }

  unregister(program: ServiceProgram): ServiceStep[] {
    return [{ ...this.#launchctl("bootout", this.#target(program)), mayFail: true }];
  }

  forget(_program: ServiceProgram): ServiceStep[] {
    return [];
  }

  query(program: ServiceProgram): CommandLine {
    return this.#launchctl("print", this.#target(program));
  }

  status(answer: CommandEnd): ServiceStatus {
    // It fails for a job that it does not know.
    if (answer.code !== 0) return { enabled: undefined, running: false, detail: "not loaded" };
    const state = /^\s*state = (.+)$/m.exec(answer.stdout)?.[1] ?? "unknown";
    return { enabled: undefined, running: state === "running", detail: state };
  }

  logs(definition: ServiceDefinition): string {
    return `tail -F '${serviceLogFile(definition)}'`;
  }

  #launchctl(...args: readonly string[]): CommandLine {
    return { command: "launchctl", args };
  }

  #target(program: ServiceProgram): string {
    return `${this.#domain}/${launchdLabel(program)}`;
  }
}
