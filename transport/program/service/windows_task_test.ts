import assert from "node:assert/strict";
import fc from "fast-check";
import { TaskScheduler } from "./task_scheduler.ts";
import { exampleDefinition } from "./testing/example_definition.ts";
import { parseXml, pythonIsHere } from "./testing/xml_reader.ts";
import { windowsArgument } from "./windows_argument.ts";
import { windowsTask } from "./windows_task.ts";

const ROOT = String.raw`C:\Users\Ada & Bob\AppData\Local\Palyra`;
const DEFINITION = exampleDefinition({
  launch: { kind: "compiled", executable: String.raw`C:\Program Files\Palyra\palyrad.exe`, args: [] },
  stateRoot: ROOT,
  stateFolder: `${ROOT}\\palyrad`,
  logFile: `${ROOT}\\palyrad\\palyrad.log`,
});
const VARIABLES: Readonly<Record<string, string>> = {
  LOCALAPPDATA: String.raw`C:\Users\Ada\AppData\Local`,
  ProgramData: String.raw`C:\ProgramData`,
  USERNAME: "Ada",
  USERDOMAIN: "BOX",
};
const environment = { get: (name: string) => VARIABLES[name] };

/** As a program splits its command line: the rules of CommandLineToArgvW for everything behind the program's name. */
function split(commandLine: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quoted = false;
  for (let at = 0; at < commandLine.length;) {
    const backslashes = /^\\*/.exec(commandLine.slice(at))?.[0].length ?? 0;
    const next = commandLine[at + backslashes];
    if (next === '"') {
      word = (word ?? "") + "\\".repeat(backslashes / 2);
      if (backslashes % 2 === 1) word += '"';
      else quoted = !quoted;
      at += backslashes + 1;
    } else if (backslashes > 0) {
      word = (word ?? "") + "\\".repeat(backslashes);
      at += backslashes;
    } else if (!quoted && (next === " " || next === "\t")) {
      if (word !== undefined) words.push(word);
      word = undefined;
      at += 1;
    } else {
      word = (word ?? "") + (next ?? "");
      at += 1;
    }
  }
  return word === undefined ? words : [...words, word];
}

Deno.test("windowsArgument() quotes so that any argument comes back unchanged", () => {
  assert.equal(windowsArgument(String.raw`C:\a\b`), String.raw`C:\a\b`);
  assert.equal(windowsArgument(String.raw`C:\a b` + "\\"), String.raw`"C:\a b\\"`);
  assert.equal(windowsArgument(""), '""');
  const argument = fc.string({ unit: fc.constantFrom("a", " ", "\t", '"', "\\", "ü"), maxLength: 12 });
  fc.assert(fc.property(fc.array(argument, { maxLength: 5 }), (args) => {
    assert.deepEqual(split(args.map(windowsArgument).join(" ")), args);
  }));
});

Deno.test({
  name: "windowsTask() says what the Task Scheduler needs, at logon and at boot",
  ignore: !await pythonIsHere(),
  fn: async () => {
    // The reader is handed UTF-8.
    const parse = (text: string) => parseXml(text.replace("UTF-16", "UTF-8"));
    const atLogon = await parse(windowsTask(DEFINITION, "user", "BOX\\Ada"));
    assert.equal(atLogon["Command"], String.raw`C:\Program Files\Palyra\palyrad.exe`);
    assert.deepEqual(split(String(atLogon["Arguments"])), [
      "run",
      "--state-root",
      ROOT,
      "--log-file",
      `${ROOT}\\palyrad\\palyrad.log`,
    ]);
    assert.deepEqual(
      [
        atLogon["UserId"],
        atLogon["LogonType"],
        atLogon["RunLevel"],
        atLogon["ExecutionTimeLimit"],
        atLogon["Interval"],
      ],
      ["BOX\\Ada", "InteractiveToken", "LeastPrivilege", "PT0S", "PT1M"],
    );
    assert.ok("LogonTrigger" in atLogon && !("BootTrigger" in atLogon));
    const atBoot = await parse(windowsTask(DEFINITION, "system", "BOX\\Ada"));
    assert.ok("BootTrigger" in atBoot && !("LogonTrigger" in atBoot));
    // LOCAL SERVICE, not whoever installed it.
    assert.equal(atBoot["UserId"], "S-1-5-19");
  },
});

Deno.test("TaskScheduler takes its file in UTF-16, and grants its account the state folder", () => {
  const user = new TaskScheduler({ scope: "user", environment });
  const system = new TaskScheduler({ scope: "system", environment });
  assert.equal(user.path("palyrad"), String.raw`C:\Users\Ada\AppData\Local\Palyra\palyrad-task.xml`);
  assert.equal(system.path("palyra-node"), String.raw`C:\ProgramData\Palyra\palyra-node-task.xml`);
  assert.equal(user.file(DEFINITION).encoding, "utf-16le");
  assert.deepEqual(user.register(DEFINITION), [{
    command: "schtasks",
    args: ["/Create", "/TN", "\\Palyra\\palyrad", "/XML", user.path("palyrad"), "/F"],
  }]);
  assert.deepEqual(system.register(DEFINITION)[0], {
    command: "icacls",
    args: [`${ROOT}\\palyrad`, "/grant", "*S-1-5-19:(OI)(CI)F"],
  });
  assert.ok(user.serves(user.file(DEFINITION).text, ROOT));
  assert.ok(!user.serves(user.file(DEFINITION).text, "C:\\Users"));
});

Deno.test("TaskScheduler reads a task's state by its number, in any language", () => {
  const manager = new TaskScheduler({ scope: "user", environment });
  const answer = (stdout: string, code = 0) => manager.status({ code, stdout, stderr: "" });
  assert.deepEqual(answer("4\r\n"), { enabled: true, running: true, detail: "running" });
  assert.deepEqual(answer("3\r\n"), { enabled: true, running: false, detail: "ready" });
  assert.deepEqual(answer("1\r\n"), { enabled: false, running: false, detail: "disabled" });
  assert.deepEqual(answer("0\r\n"), { enabled: false, running: false, detail: "not installed" });
  assert.throws(() => answer("", 1), { code: "service_manager_unavailable" });
  assert.throws(() => new TaskScheduler({ scope: "user", environment: { get: () => undefined } }), {
    code: "invalid_config",
  });
});
