import { join } from "node:path";
import { runArgumentsWithLog, type ServiceDefinition, type ServiceProgram } from "./service_definition.ts";
import { xmlText } from "./xml_text.ts";

/** launchd starts a failing program again after this many seconds at the earliest. */
const THROTTLE_S = 30;

/** The name under which launchd knows a service; its file's name without `.plist`. */
export function launchdLabel(program: ServiceProgram): string {
  return `io.palyra.${program}`;
}

/**
 * The property list of a launchd job (launchd.plist(5)): a daemon of the machine or an agent of the user. Pure.
 *
 * The program keeps its own log file, which it bounds. Only what it says before that is open goes to `StandardErrorPath`:
 * a line for each start that fails, at most one in 30 seconds.
 */
export function launchdPlist(definition: ServiceDefinition, userName: string | undefined): string {
  const { program, launch, stateFolder, denoFolder } = definition;
  const entries = [
    entry("Label", string(launchdLabel(program))),
    entry("ProgramArguments", array([launch.executable, ...launch.args, ...runArgumentsWithLog(definition)])),
    ...(userName === undefined ? [] : [entry("UserName", string(userName))]),
    ...(denoFolder === undefined ? [] : [entry("EnvironmentVariables", dictionary([["DENO_DIR", denoFolder]]))]),
    entry("RunAtLoad", "<true/>"),
    // It ends with 0 when it was told to stop; anything else is a failure.
    entry("KeepAlive", "<dict><key>SuccessfulExit</key><false/></dict>"),
    entry("ThrottleInterval", integer(THROTTLE_S)),
    // Running work may finish for 10 seconds before it is killed.
    entry("ExitTimeOut", integer(THROTTLE_S)),
    entry("Umask", integer(0o077)),
    entry("ProcessType", string("Background")),
    entry("StandardOutPath", string("/dev/null")),
    entry("StandardErrorPath", string(join(stateFolder, `${program}.err`))),
  ];
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    '<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">',
    '<plist version="1.0">',
    "<dict>",
    ...entries.map((text) => `  ${text}`),
    "</dict>",
    "</plist>",
    "",
  ].join("\n");
}

function entry(key: string, value: string): string {
  return `<key>${key}</key>${value}`;
}

function string(text: string): string {
  return `<string>${xmlText(text)}</string>`;
}

function integer(count: number): string {
  return `<integer>${count}</integer>`;
}

function array(texts: readonly string[]): string {
  return `<array>${texts.map(string).join("")}</array>`;
}

function dictionary(entries: readonly (readonly [key: string, text: string])[]): string {
  return `<dict>${entries.map(([key, text]) => `<key>${xmlText(key)}</key>${string(text)}`).join("")}</dict>`;
}
