import assert from "node:assert/strict";
import { commandText } from "./command_runner.ts";
import { SystemdManager } from "./systemd_manager.ts";
import { AWKWARD_PATH, exampleDefinition } from "./testing/example_definition.ts";

const environment = { get: (name: string) => name === "HOME" ? "/home/ada" : undefined };
const system = new SystemdManager({ scope: "system", environment });
const user = new SystemdManager({ scope: "user", environment });

Deno.test("SystemdManager puts units where the machine's and the user's manager look for them", () => {
  assert.equal(system.path("palyrad"), "/etc/systemd/system/palyrad.service");
  assert.equal(user.path("palyra-node"), "/home/ada/.config/systemd/user/palyra-node.service");
  const xdg = new SystemdManager({ scope: "user", environment: { get: () => "/xdg" } });
  assert.equal(xdg.path("palyra-node"), "/xdg/systemd/user/palyra-node.service");
});

Deno.test("SystemdManager speaks to the manager of its scope", () => {
  assert.deepEqual(system.stop("palyrad").map(commandText), ["systemctl stop palyrad.service"]);
  assert.deepEqual(user.register(exampleDefinition()).map(commandText), [
    "systemctl --user daemon-reload",
    "systemctl --user reenable palyrad.service",
  ]);
  assert.deepEqual(user.unregister("palyra-node").map(commandText), [
    "systemctl --user disable --now palyra-node.service",
  ]);
  assert.equal(system.logs(exampleDefinition()), "journalctl -u palyrad");
});

Deno.test("SystemdManager reads what systemctl show says", () => {
  const answer = (...lines: string[]) => user.status({ code: 0, stdout: lines.join("\n"), stderr: "" });
  assert.deepEqual(answer("LoadState=loaded", "ActiveState=active", "SubState=running", "UnitFileState=enabled"), {
    enabled: true,
    running: true,
    detail: "active (running)",
  });
  // Waiting to be started again counts: the process will have the state folder.
  assert.equal(answer("ActiveState=activating", "SubState=auto-restart", "UnitFileState=enabled").running, true);
  assert.deepEqual(answer("ActiveState=failed", "SubState=failed", "UnitFileState=disabled"), {
    enabled: false,
    running: false,
    detail: "failed (failed)",
  });
});

Deno.test("SystemdManager names the cure when the manager does not answer", () => {
  const silent = { code: 1, stdout: "", stderr: "Failed to connect to bus: No medium found\n" };
  const expected = { code: "service_manager_unavailable", message: /No medium found\): log in as this user.*--system/ };
  assert.throws(() => user.status(silent), expected);
  assert.throws(() => system.status(silent), { code: "service_manager_unavailable", message: /not what started/ });
});

Deno.test("SystemdManager knows whose state root a unit serves", () => {
  for (const stateRoot of ["/var/lib/palyra", AWKWARD_PATH]) {
    for (const configFile of [undefined, "/etc/palyra.toml"]) {
      const { text } = system.file(exampleDefinition({ stateRoot, configFile }));
      assert.ok(system.serves(text, stateRoot));
      assert.ok(!system.serves(text, "/var/lib"));
      assert.ok(!system.serves(text, `${stateRoot}2`));
    }
  }
});
