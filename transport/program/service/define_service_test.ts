import assert from "node:assert/strict";
import type { CommandRunner } from "./command_runner.ts";
import { defineService, type DefinitionSources } from "./define_service.ts";
import { installationNotes } from "./installation_notes.ts";
import type { ServiceFacts } from "./service_host.ts";
import { SystemdManager } from "./systemd_manager.ts";

const environment = {
  get: (name: string) => new Map([["HOME", "/home/ada"], ["XDG_CACHE_HOME", "/cache"]]).get(name),
};
const manager = (scope: "system" | "user") => new SystemdManager({ scope, environment });
/** A machine whose desktop is up, or not. */
const desktop = (isUp: boolean): CommandRunner => ({
  run: ({ args }) =>
    Promise.resolve({ code: isUp && args.includes("graphical-session.target") ? 0 : 3, stdout: "", stderr: "" }),
});
const FACTS: ServiceFacts = {
  stateFolder: "/var/lib/palyra/node-host",
  configFile: undefined,
  logFile: undefined,
  readFolders: [],
  variables: [],
};
const NOTED = { variables: [], startsPrograms: true, isSealed: false };

const define = (changes: Partial<DefinitionSources>) =>
  defineService({
    host: { program: "palyra-node", description: "Palyra node" },
    facts: FACTS,
    startsPrograms: true,
    manager: manager("user"),
    runner: desktop(true),
    environment,
    launch: { standalone: true, executable: "/usr/bin/palyra-node" },
    ...changes,
  });

Deno.test({
  name: "defineService() ties a user's service to the desktop only where the desktop tells of itself",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    const atDesktop = await define({});
    assert.deepEqual([atDesktop.startsPrograms, atDesktop.desktopSession], [true, true]);
    assert.equal(atDesktop.stateRoot, "/var/lib/palyra");
    const atLogin = await define({ runner: desktop(false) });
    assert.deepEqual([atLogin.startsPrograms, atLogin.desktopSession], [true, false]);
    assert.match(installationNotes(atLogin, NOTED, "user").join("\n"), /enable-linger.*needs a desktop/);
    const denied = await define({ startsPrograms: false });
    assert.deepEqual([denied.startsPrograms, denied.desktopSession], [false, false]);
  },
});

Deno.test({
  name: "defineService() never has a system service start the user's programs, and runs it as the folder's owner",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    const stateFolder = await Deno.makeTempDir();
    try {
      const defined = await define({ manager: manager("system"), facts: { ...FACTS, stateFolder } });
      assert.deepEqual([defined.startsPrograms, defined.desktopSession], [false, false]);
      const { uid, gid } = await Deno.stat(stateFolder);
      assert.deepEqual(defined.owner, { uid, gid });
      assert.match(installationNotes(defined, NOTED, "system").join("\n"), /has no desktop.*--user/);
      const asRoot = { ...defined, owner: { uid: 0, gid: 0 } };
      assert.match(installationNotes(asRoot, NOTED, "system").join("\n"), /runs as root, without any/);
      // One that the installation will make.
      const missing = await define({ manager: manager("system") });
      assert.equal(missing.owner, undefined);
    } finally {
      await Deno.remove(stateFolder, { recursive: true });
    }
  },
});

Deno.test({
  name: "defineService() keeps Deno's modules in sight of a program that runs from source, and of no other",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    assert.equal((await define({})).denoFolder, undefined);
    const launch = { standalone: false, executable: "/usr/bin/deno", mainModule: "file:///src/node_host/main.ts" };
    assert.equal((await define({ launch })).denoFolder, "/cache/deno");
    const notes = installationNotes(await define({ launch }), { ...NOTED, variables: ["PALYRA_DENY"] }, "user");
    assert.match(notes.join("\n"), /PALYRA_DENY is set here.*\n.*all of Deno's permissions/);
  },
});

Deno.test({
  name: "installationNotes() tells how a service is given the key of secrets that are sealed",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    const notes = installationNotes(await define({}), { ...NOTED, isSealed: true }, "system").join("\n");
    assert.match(notes, /`systemctl edit palyra-node`.*`LoadCredential=palyra-sealing-key:FILE`/);
    assert.doesNotMatch(installationNotes(await define({}), NOTED, "system").join("\n"), /sealed/);
  },
});
