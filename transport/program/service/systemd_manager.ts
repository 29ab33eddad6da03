import { join } from "node:path";
import { PalyraError } from "../../../identity/palyra_error.ts";
import { type EnvironmentReader, environmentText } from "../environment.ts";
import { type CommandEnd, type CommandLine, firstLine } from "./command_runner.ts";
import { homeFolder } from "./home_folder.ts";
import type { ServiceDefinition, ServiceProgram, ServiceScope } from "./service_definition.ts";
import type { ServiceFile, ServiceManager, ServiceStatus, ServiceStep } from "./service_manager.ts";
import { systemdCommand } from "./systemd_quote.ts";
import { systemdUnit } from "./systemd_unit.ts";

/** systemd, the machine's or a user's. */
export class SystemdManager implements ServiceManager {
  readonly title: string;
  readonly scope: ServiceScope;
  readonly #folder: string;

  constructor({ scope, environment }: { readonly scope: ServiceScope; readonly environment: EnvironmentReader }) {
    this.scope = scope;
    this.title = `systemd (${scope})`;
    this.#folder = scope === "system" ? "/etc/systemd/system" : userUnitFolder(environment);
  }

  path(program: ServiceProgram): string {
    return join(this.#folder, unitName(program));
  }

  file(definition: ServiceDefinition): ServiceFile {
    return {
      path: this.path(definition.program),
      text: systemdUnit(definition, this.scope),
      encoding: "utf-8",
    };
  }

  serves(text: string, stateRoot: string): boolean {
    const option = ` ${systemdCommand("--state-root", [stateRoot])}`;
    return text.split("\n").some((line) =>
      line.startsWith("ExecStart=") && (line.endsWith(option) || line.includes(`${option} `))
    );
  }

  register({ program }: ServiceDefinition): ServiceStep[] {
    // "reenable" also takes away what a former [Install] section asked for.
    return [this.#systemctl("daemon-reload"), this.#systemctl("reenable", unitName(program))];
  }

  startRegistered(program: ServiceProgram): ServiceStep[] {
    return this.restart(program);
  }

  start(program: ServiceProgram): ServiceStep[] {
    return [this.#systemctl("start", unitName(program))];
  }

  stop(program: ServiceProgram): ServiceStep[] {
    return [this.#systemctl("stop", unitName(program))];
  }

  restart(program: ServiceProgram): ServiceStep[] {
    return [this.#systemctl("restart", unitName(program))];
  }

  unregister(program: ServiceProgram): ServiceStep[] {
    return [this.#systemctl("disable", "--now", unitName(program))];
  }

  forget(program: ServiceProgram): ServiceStep[] {
    return [
      this.#systemctl("daemon-reload"),
      // Fails for a unit that has not failed.
      { ...this.#systemctl("reset-failed", unitName(program)), mayFail: true },
    ];
  }

  query(program: ServiceProgram): CommandLine {
    return this.#systemctl("show", "--property=LoadState,ActiveState,SubState,UnitFileState", unitName(program));
  }

  status(answer: CommandEnd): ServiceStatus {
    if (answer.code !== 0) throw this.#unavailable(answer);
    const properties = new Map(
      answer.stdout.split("\n").map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
    );
    const active = properties.get("ActiveState") ?? "unknown";
    return {
      enabled: properties.get("UnitFileState") === "enabled",
      running: active === "active" || active === "activating" || active === "reloading" || active === "deactivating",
      detail: `${active} (${properties.get("SubState") ?? "unknown"})`,
    };
  }

  logs({ program }: ServiceDefinition): string {
    return this.scope === "system" ? `journalctl -u ${program}` : `journalctl --user -u ${program}`;
  }

  #systemctl(...args: readonly string[]): CommandLine {
    return { command: "systemctl", args: this.scope === "user" ? ["--user", ...args] : args };
  }

  #unavailable(answer: CommandEnd): PalyraError {
    const cure = this.scope === "user"
      ? "log in as this user (not by su or sudo; over SSH is fine), or `loginctl enable-linger` lets the user's services " +
        "run without; or add --system, as root"
      : "where systemd is not what started the machine, as in most containers, keep the program running by other means";
    return new PalyraError(
      "service_manager_unavailable",
      `${this.title} does not answer (${firstLine(answer.stderr)}): ${cure}.`,
    );
  }
}

function unitName(program: ServiceProgram): string {
  return `${program}.service`;
}

/** Where the user's manager looks first (systemd.unit(5)). */
function userUnitFolder(environment: EnvironmentReader): string {
  const configHome = environmentText(environment, "XDG_CONFIG_HOME") ?? join(homeFolder(environment), ".config");
  return join(configHome, "systemd", "user");
}
