import assert from "node:assert/strict";
import { join } from "node:path";
import type { ServiceDefinition, ServiceScope } from "./service_definition.ts";
import { systemdCommand, systemdWord } from "./systemd_quote.ts";
import { systemdUnit } from "./systemd_unit.ts";
import { AWKWARD_PATH, exampleDefinition } from "./testing/example_definition.ts";

const NODE: Partial<ServiceDefinition> = {
  program: "palyra-node",
  description: "Palyra node",
  stateFolder: "/var/lib/palyra/node-host",
};
const AT_HOME: Partial<ServiceDefinition> = {
  stateRoot: "/home/ada/.local/state/palyra",
  stateFolder: "/home/ada/.local/state/palyra/palyrad",
  owner: undefined,
};

/**
 * Every kind of unit there is, and the highest exposure it may have (systemd-analyze(1), 0 to 10). A user's unit is
 * rated as if it had root's capabilities, which it never has.
 */
const UNITS: readonly (readonly [what: string, ServiceScope, ServiceDefinition, mostExposure: number])[] = [
  ["palyrad of the machine", "system", exampleDefinition(), 2],
  ["palyra-node of the machine", "system", exampleDefinition(NODE), 2],
  ["palyrad of a user", "user", exampleDefinition(AT_HOME), 6],
  ["palyra-node of a user, without desktop", "user", exampleDefinition({ ...NODE, ...AT_HOME }), 6],
  // What it opens inherits every restriction, so it has none.
  [
    "palyra-node of a user, with desktop",
    "user",
    exampleDefinition({ ...NODE, ...AT_HOME, startsPrograms: true, desktopSession: true }),
    10,
  ],
  [
    "palyrad at an awkward place",
    "system",
    exampleDefinition({
      stateRoot: AWKWARD_PATH,
      stateFolder: join(AWKWARD_PATH, "palyrad"),
      configFile: `${AWKWARD_PATH}.toml`,
    }),
    2,
  ],
  ["palyrad as root, from a home", "system", exampleDefinition({ ...AT_HOME, denoFolder: "/root/.cache/deno" }), 2],
];

async function analyze(args: readonly string[], runtimeFolder: string) {
  const env = { XDG_RUNTIME_DIR: runtimeFolder, SYSTEMD_COLORS: "0", LC_ALL: "C" };
  const command = new Deno.Command("systemd-analyze", { args: [...args], env, stdin: "null" });
  const { success, stdout, stderr } = await command.output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { success, stdout: text(stdout), stderr: text(stderr) };
}

/** What `systemd-analyze verify` and `security` say of a unit. */
async function judge(definition: ServiceDefinition, scope: ServiceScope) {
  const folder = await Deno.makeTempDir();
  try {
    const path = join(folder, `${definition.program}.service`);
    await Deno.writeTextFile(path, systemdUnit(definition, scope));
    const user = scope === "user" ? ["--user"] : [];
    const verified = await analyze(["verify", "--man=no", ...user, path], folder);
    const { stdout } = await analyze(["security", "--no-pager", "--offline=true", ...user, path], folder);
    const exposure = /^.*Overall exposure level for \S+: ([0-9.]+) .*$/m.exec(stdout)?.[1];
    assert.ok(exposure !== undefined, stdout);
    return { verified, exposure: Number(exposure) };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function hasAnalyzer(): Promise<boolean> {
  try {
    return (await analyze(["--version"], "/nonexistent")).success;
  } catch {
    return false;
  }
}

Deno.test({
  // Debian's package systemd has it; no running systemd is needed.
  name: "systemdUnit() passes systemd's own checks, and exposes little",
  ignore: !await hasAnalyzer(),
  fn: async (test) => {
    for (const [what, scope, definition, mostExposure] of UNITS) {
      // deno-lint-ignore no-await-in-loop -- one after the other, for readable output
      const { verified, exposure } = await judge(definition, scope);
      // deno-lint-ignore no-await-in-loop -- one after the other, for readable output
      await test.step(`${what}: exposure ${exposure}, at most ${mostExposure}`, () => {
        assert.deepEqual(verified, { success: true, stdout: "", stderr: "" });
        assert.ok(exposure <= mostExposure);
      });
    }
  },
});

const lineOf = (unit: string, name: string) => unit.split("\n").filter((line) => line.startsWith(`${name}=`));

Deno.test("systemdUnit() runs a system service as the owner of its state folder", () => {
  const owned = systemdUnit(exampleDefinition(), "system");
  assert.deepEqual([...lineOf(owned, "User"), ...lineOf(owned, "Group")], ["User=990", "Group=990"]);
  assert.deepEqual(lineOf(systemdUnit(exampleDefinition({ owner: { uid: 0, gid: 0 } }), "system"), "User"), []);
  assert.deepEqual(lineOf(systemdUnit(exampleDefinition(AT_HOME), "user"), "User"), []);
});

Deno.test("systemdUnit() leaves in sight what the service needs, and no more", () => {
  const rules = (changes: Partial<ServiceDefinition>, scope: ServiceScope = "system") => {
    const unit = systemdUnit(exampleDefinition(changes), scope);
    return ["ProtectHome", "PrivateTmp", "ReadWritePaths"].flatMap((name) => lineOf(unit, name));
  };
  assert.deepEqual(rules({}), ["ProtectHome=yes", "PrivateTmp=yes", "ReadWritePaths=/var/lib/palyra/palyrad"]);
  assert.equal(rules(AT_HOME, "user")[0], "ProtectHome=read-only");
  assert.equal(
    rules({ launch: { kind: "script", executable: "/root/palyra/palyrad", args: [] } })[0],
    "ProtectHome=read-only",
  );
  assert.equal(rules({ readFolders: ["/home/ada/capabilities"] })[0], "ProtectHome=read-only");
  assert.equal(rules({ stateFolder: "/tmp/palyra/palyrad" })[1], "PrivateTmp=no");
  assert.equal(
    rules({ logFile: "/var/log/palyra/d.log" })[2],
    "ReadWritePaths=/var/lib/palyra/palyrad /var/log/palyra",
  );
  assert.equal(
    rules({ writtenFolders: ["/var/lib/palyra/generations"] })[2],
    "ReadWritePaths=/var/lib/palyra/palyrad /var/lib/palyra/generations",
  );
  assert.equal(rules({ logFile: "/var/lib/palyra/palyrad/logs/d.log" })[2], "ReadWritePaths=/var/lib/palyra/palyrad");
});

Deno.test("systemdUnit() restricts nothing for a service that starts the user's own programs", () => {
  const unit = systemdUnit(exampleDefinition({ startsPrograms: true, desktopSession: true }), "user");
  assert.doesNotMatch(unit, /^(NoNew|Protect|Private|Restrict|SystemCall|Memory|UMask|Limit|Capability)/m);
  // Stopping the service does not close the browser.
  assert.deepEqual(lineOf(unit, "KillMode"), ["KillMode=process"]);
  assert.deepEqual(lineOf(unit, "WantedBy"), ["WantedBy=graphical-session.target"]);
  assert.deepEqual(
    lineOf(systemdUnit(exampleDefinition({ startsPrograms: true }), "user"), "WantedBy"),
    ["WantedBy=default.target"],
  );
});

Deno.test("systemdUnit() lets palyra-node go on when a capability's process is killed for want of memory", () => {
  const policy = (changes: Partial<ServiceDefinition>, scope: ServiceScope) =>
    lineOf(systemdUnit(exampleDefinition(changes), scope), "OOMPolicy");
  assert.deepEqual(policy(NODE, "system"), ["OOMPolicy=continue"]);
  assert.deepEqual(policy({ ...NODE, ...AT_HOME }, "user"), ["OOMPolicy=continue"]);
  assert.deepEqual(policy({ ...NODE, ...AT_HOME, startsPrograms: true }, "user"), ["OOMPolicy=continue"]);
  assert.deepEqual(policy({}, "system"), [], "palyrad has no processes but its own");
});

Deno.test("systemdUnit() asks a user's manager for nothing that it would need root for", () => {
  // Each makes a user's service fail to start: dropping a capability takes CAP_SETPCAP.
  const unit = systemdUnit(exampleDefinition(AT_HOME), "user");
  assert.doesNotMatch(
    unit,
    /^(CapabilityBoundingSet|AmbientCapabilities|PrivateDevices|ProtectClock|ProtectKernelLogs|ProtectKernelModules|User|Group)=/m,
  );
});

Deno.test("systemdCommand() and systemdWord() escape what a unit file would take for something else", () => {
  assert.equal(systemdWord("/var/lib/palyra"), "/var/lib/palyra");
  assert.equal(systemdWord("50%"), "50%%");
  assert.equal(systemdWord('a "b" \\ c'), '"a \\"b\\" \\\\ c"');
  assert.equal(systemdCommand("/opt/$x/p", ["$HOME", "it's", ""]), `"/opt/$x/p" "$$HOME" "it's" ""`);
  assert.throws(() => systemdWord("a\nExecStart=/bin/sh"), { code: "invalid_argument" });
});
