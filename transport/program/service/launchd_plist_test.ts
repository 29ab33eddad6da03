import assert from "node:assert/strict";
import { LaunchdManager } from "./launchd_manager.ts";
import { launchdPlist } from "./launchd_plist.ts";
import { AWKWARD_PATH, exampleDefinition } from "./testing/example_definition.ts";
import { parsePlist, pythonIsHere } from "./testing/xml_reader.ts";

const HOME = { get: (name: string) => name === "HOME" ? "/Users/ada" : undefined };

Deno.test({
  name: "launchdPlist() says what launchd needs, whatever the paths hold",
  ignore: !await pythonIsHere(),
  fn: async () => {
    const definition = exampleDefinition({ stateRoot: AWKWARD_PATH, stateFolder: `${AWKWARD_PATH}/palyrad` });
    const plist = await parsePlist(launchdPlist(definition, "palyra"));
    assert.deepEqual(plist, {
      Label: "io.palyra.palyrad",
      ProgramArguments: [
        "/usr/bin/env",
        "run",
        "--state-root",
        AWKWARD_PATH,
        "--log-file",
        `${AWKWARD_PATH}/palyrad/logs/palyrad.log`,
      ],
      UserName: "palyra",
      RunAtLoad: true,
      KeepAlive: { SuccessfulExit: false },
      ThrottleInterval: 30,
      ExitTimeOut: 30,
      Umask: 0o077,
      ProcessType: "Background",
      StandardOutPath: "/dev/null",
      StandardErrorPath: `${AWKWARD_PATH}/palyrad/palyrad.err`,
    });
    const source = exampleDefinition({ denoFolder: "/Users/ada/Library/Caches/deno", logFile: "/var/log/p.log" });
    const own = await parsePlist(launchdPlist(source, undefined));
    assert.deepEqual(own["EnvironmentVariables"], { DENO_DIR: "/Users/ada/Library/Caches/deno" });
    assert.equal(own["UserName"], undefined);
    assert.deepEqual((own["ProgramArguments"] as string[]).slice(-2), ["--log-file", "/var/log/p.log"]);
  },
});

Deno.test("LaunchdManager knows an agent of the user from a daemon of the machine", () => {
  const agent = new LaunchdManager({ scope: "user", environment: HOME, uid: 501 });
  const daemon = new LaunchdManager({ scope: "system", environment: HOME, uid: 0 });
  assert.equal(agent.path("palyra-node"), "/Users/ada/Library/LaunchAgents/io.palyra.palyra-node.plist");
  assert.equal(daemon.path("palyrad"), "/Library/LaunchDaemons/io.palyra.palyrad.plist");
  const line = ({ command, args }: { readonly command: string; readonly args: readonly string[] }) =>
    [command, ...args].join(" ");
  assert.deepEqual(agent.start("palyrad").map(line), [
    "launchctl bootstrap gui/501 /Users/ada/Library/LaunchAgents/io.palyra.palyrad.plist",
    "launchctl kickstart gui/501/io.palyra.palyrad",
  ]);
  assert.deepEqual(daemon.stop("palyrad").map(line), ["launchctl kill SIGTERM system/io.palyra.palyrad"]);
  assert.deepEqual(agent.unregister("palyrad").map(line), ["launchctl bootout gui/501/io.palyra.palyrad"]);
  const owned = exampleDefinition({ owner: { uid: 501, gid: 20, name: "ada" } });
  assert.match(daemon.file(owned).text, /<key>UserName<\/key><string>ada<\/string>/);
  assert.doesNotMatch(agent.file(owned).text, /UserName/);
});

Deno.test("LaunchdManager reads what launchctl print says, and whose state root a file serves", () => {
  const manager = new LaunchdManager({ scope: "user", environment: HOME, uid: 501 });
  const answer = (code: number, stdout: string) => manager.status({ code, stdout, stderr: "" });
  assert.deepEqual(answer(0, "gui/501/io.palyra.palyrad = {\n\tstate = running\n\tpid = 7\n}\n"), {
    enabled: undefined,
    running: true,
    detail: "running",
  });
  assert.equal(answer(0, "\tstate = not running\n").running, false);
  assert.equal(answer(113, "").detail, "not loaded");
  const { text } = manager.file(exampleDefinition({ stateRoot: AWKWARD_PATH }));
  assert.ok(manager.serves(text, AWKWARD_PATH));
  assert.ok(!manager.serves(text, "/srv"));
});
