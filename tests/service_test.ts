import assert from "node:assert/strict";
import { join } from "node:path";
import { Fleet } from "./harness/fleet.ts";
import {
  type Finished,
  type ProgramName,
  RunningProgram,
  runProgram,
  TESTS_BUILT_PROGRAMS,
} from "./harness/program.ts";
import { StandInSystemd } from "./harness/stand_in_systemd.ts";

// launchd's and Windows' files have tests of their text.
const linux = { ignore: Deno.build.os !== "linux" };
// A release may start the platform's own systemctl and no other.
const source = { ignore: Deno.build.os !== "linux" || TESTS_BUILT_PROGRAMS };

/** A state root whose name has what a unit file must escape. */
async function withStateRoot(body: (root: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "palyra-service-" });
  try {
    const root = join(folder, 'state $HOME 100% "q"');
    await Deno.mkdir(join(root, "palyrad"), { recursive: true, mode: 0o700 });
    await Deno.writeTextFile(
      join(root, "palyrad", "palyra.toml"),
      '[node_rpc]\nport = 0\n[enrolment]\nport = 0\n[log]\nformat = "json"\n',
    );
    await body(root);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

// deno-lint-ignore no-explicit-any -- whatever the program's JSON holds
function documentOf({ code, stdout, stderr }: Finished): any {
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout);
}

function runIn(systemd: StandInSystemd, stateRoot: string) {
  return (program: ProgramName, ...args: string[]) => runProgram(program, args, { stateRoot, env: systemd.env });
}

Deno.test(
  "palyrad install makes it a service that tells when it is ready; status, restart, stop, start and uninstall manage it",
  source,
  async () => {
    await using systemd = await StandInSystemd.create();
    await withStateRoot(async (root) => {
      const run = runIn(systemd, root);
      const installed = documentOf(await run("palyrad", "install", "--user", "--json"));
      assert.deepEqual(
        [installed.installed, installed.started, installed.manager, installed.logs, installed.path],
        [true, true, "systemd (user)", "journalctl --user -u palyrad", systemd.unitPath("palyrad.service")],
      );
      assert.equal(((await Deno.stat(installed.path)).mode ?? 0) & 0o777, 0o644);
      const status = documentOf(await run("palyrad", "status", "--json"));
      assert.equal(status.state_root, join(root, "palyrad"));
      assert.deepEqual(status.service, {
        manager: "systemd (user)",
        scope: "user",
        path: installed.path,
        enabled: true,
        running: true,
        detail: "active (running)",
      });
      // Nothing to do: what runs is not disturbed.
      const before = (await systemd.changes()).length;
      assert.equal(documentOf(await run("palyrad", "install", "--user", "--json")).installed, true);
      assert.deepEqual((await systemd.changes()).slice(before), [
        "--user daemon-reload",
        "--user reenable palyrad.service",
        "--user start palyrad.service",
      ]);

      const first = status.started_at_unix_ms;
      assert.equal(documentOf(await run("palyrad", "restart", "--json")).was_running, true);
      assert.notEqual(documentOf(await run("palyrad", "status", "--json")).started_at_unix_ms, first);

      assert.equal((await run("palyrad", "stop")).stdout, "palyrad has stopped.\n");
      assert.match(await systemd.log("palyrad.service"), /palyrad has stopped\./);
      const stopped = await run("palyrad", "status");
      assert.equal(stopped.code, 4);
      assert.match(stopped.stderr, /systemd \(user\), enabled, inactive \(dead\).*palyrad start/);
      assert.equal((await run("palyrad", "stop")).stdout, "palyrad was not running.\n");
      assert.equal((await run("palyrad", "start")).stdout, "palyrad runs.\n");

      const uninstalled = documentOf(await run("palyrad", "uninstall", "--json"));
      assert.deepEqual([uninstalled.uninstalled, uninstalled.pairing, uninstalled.purged], [true, null, false]);
      await assert.rejects(Deno.stat(installed.path), Deno.errors.NotFound);
      assert.ok((await Deno.stat(join(root, "palyrad", "palyrad.sqlite"))).isFile);
      const again = await run("palyrad", "uninstall");
      assert.equal(again.code, 7);
      assert.match(again.stderr, /\[service_not_installed\]/);

      assert.equal(documentOf(await run("palyrad", "uninstall", "--purge", "--json")).purged, true);
      await assert.rejects(Deno.stat(join(root, "palyrad")), Deno.errors.NotFound);
    });
  },
);

Deno.test(
  "palyra-node install serves its daemon as a service, and uninstall ends its pairing there",
  source,
  async () => {
    await using systemd = await StandInSystemd.create();
    await using fleet = await Fleet.create();
    await fleet.startDaemon();
    const node = (...args: string[]) => fleet.node("laptop", args, { env: systemd.env });
    const unpaired = await node("install", "--user");
    assert.equal(unpaired.code, 7);
    assert.match(unpaired.stderr, /palyra-node pair.*\[not_paired\]/);

    await fleet.pair("laptop");
    const installed = documentOf(await node("install", "--user", "--json"));
    assert.equal(installed.started, true);
    await fleet.daemon.line((line) => line.includes("Node connected.") && line.includes('"name":"laptop"'));
    const answered = await fleet.palyrad("nodes", "invoke", "laptop", "echo", "--input-json", '"service"');
    assert.equal(answered.output.echo, "service");
    const status = JSON.parse((await node("status", "--json")).stdout);
    assert.deepEqual([status.service.running, status.service.enabled], [true, true]);

    const names = async (): Promise<string[]> =>
      (await fleet.palyrad("devices", "list", "--all")).devices.map((device: { device_name: string }) =>
        device.device_name
      );
    assert.ok((await names()).includes("laptop"));
    const removed = documentOf(await node("uninstall", "--json"));
    assert.deepEqual([removed.uninstalled, removed.pairing], [true, "ended"]);
    assert.ok(!(await names()).includes("laptop"), "the daemon has forgotten it");
    assert.equal((await node("status")).code, 7);
  },
);

// Takes libseccomp and the right to filter, which not every container has; no running systemd.
if (await StandInSystemd.canFilter()) {
  Deno.test({
    name: "palyrad and palyra-node do their work under the system call filters of their units",
    ...source,
    fn: async () => {
      await using systemd = await StandInSystemd.create({ filters: true });
      await withStateRoot(async (root) => {
        const run = runIn(systemd, root);
        documentOf(await run("palyrad", "install", "--user", "--json"));
        const { secret_text: token } = documentOf(await run("palyrad", "pairing", "code", "--approve", "--json"));
        documentOf(
          await run("palyra-node", "pair", token, "--name", "laptop", "--json", "--config", await headless(root)),
        );
        documentOf(await run("palyra-node", "install", "--user", "--json", "--config", await headless(root)));
        for (const unit of ["palyrad.service", "palyra-node.service"]) {
          // deno-lint-ignore no-await-in-loop -- two files
          assert.match(await Deno.readTextFile(systemd.unitPath(unit)), /^SystemCallFilter=@system-service/m);
        }
        for (const capability of ["echo", "system.health", "system.identity"]) {
          // deno-lint-ignore no-await-in-loop -- two cores: one process at a time
          const request = documentOf(await run("palyrad", "nodes", "invoke", "laptop", capability, "--json"));
          assert.equal(request.state, "succeeded");
        }
        const [laptop] = documentOf(await run("palyrad", "nodes", "list", "--json")).nodes;
        assert.equal(laptop.transport, "quic");
        assert.equal((await run("palyra-node", "stop")).code, 0);
        assert.equal((await run("palyrad", "stop")).code, 0);
      });
    },
  });
}

/** A configuration without what starts programs, whose service is then shut in. */
async function headless(root: string): Promise<string> {
  const path = join(root, "headless.toml");
  await Deno.writeTextFile(path, 'deny = ["desktop.open_url", "desktop.open_path"]\n');
  return path;
}

Deno.test("palyra-node uninstall keeps the pairing when told to, and when the daemon cannot be", source, async () => {
  await using systemd = await StandInSystemd.create();
  await using fleet = await Fleet.create();
  await fleet.startDaemon();
  await fleet.pair("laptop");
  const node = (...args: string[]) => fleet.node("laptop", args, { env: systemd.env });
  assert.equal((await node("install", "--user", "--no-start")).code, 0);
  assert.equal(documentOf(await node("uninstall", "--keep-pairing", "--json")).pairing, null);
  assert.equal((await node("uninstall", "--keep-pairing", "--purge")).code, 2);

  assert.equal((await node("install", "--user", "--no-start")).code, 0);
  await fleet.daemon.stop();
  const untold = await node("uninstall");
  assert.equal(untold.code, 0, untold.stderr);
  assert.match(untold.stderr, /^note: The daemon could not be told.*palyra-node unpair/);
  const paired = JSON.parse((await node("status", "--json")).stdout);
  assert.deepEqual([paired.paired, paired.service], [true, null]);
});

Deno.test("install --dry-run and uninstall --dry-run change nothing and show everything", source, async () => {
  await using systemd = await StandInSystemd.create();
  await withStateRoot(async (root) => {
    const run = runIn(systemd, root);
    const entries = async () => await Array.fromAsync(Deno.readDir(join(root, "palyrad")), ({ name }) => name);
    const before = await entries();
    const plan = documentOf(await run("palyrad", "install", "--user", "--dry-run", "--json"));
    assert.equal(plan.files[0].path, systemd.unitPath("palyrad.service"));
    assert.match(plan.files[0].text, /^Type=notify$/m);
    assert.deepEqual(plan.commands.map((command: string[]) => command.slice(0, 3).join(" ")), [
      "systemctl --user daemon-reload",
      "systemctl --user reenable",
      "systemctl --user restart",
    ]);
    const shown = await run("palyrad", "install", "--user", "--dry-run");
    assert.match(shown.stdout, /^\$ systemctl --user restart palyrad\.service$/m);
    // Not paired, which a dry run does not mind.
    assert.equal((await run("palyra-node", "install", "--user", "--dry-run")).code, 0);
    await assert.rejects(Deno.stat(systemd.unitPath("palyrad.service")), Deno.errors.NotFound);

    assert.equal((await run("palyrad", "install", "--user", "--no-start")).code, 0);
    const removal = await run("palyrad", "uninstall", "--purge", "--dry-run");
    assert.match(removal.stdout, /^\$ systemctl --user disable --now palyrad\.service$/m);
    assert.ok((await Deno.stat(systemd.unitPath("palyrad.service"))).isFile);
    assert.deepEqual(await entries(), before);
    assert.deepEqual(await systemd.changes(), ["--user daemon-reload", "--user reenable palyrad.service"]);
  });
});

Deno.test("install --system shows root the machine's unit, and tells others that it takes root", source, async () => {
  await using systemd = await StandInSystemd.create();
  await withStateRoot(async (root) => {
    const shown = await runIn(systemd, root)("palyrad", "install", "--system", "--dry-run", "--json");
    if (Deno.uid() !== 0) {
      assert.equal(shown.code, 6);
      assert.match(shown.stderr, /sudo.*"permission_missing"|"permission_missing".*sudo/);
      return;
    }
    const { files, commands, notes } = documentOf(shown);
    assert.equal(files[0].path, "/etc/systemd/system/palyrad.service");
    assert.match(files[0].text, /^CapabilityBoundingSet=$/m);
    assert.deepEqual(commands[0], ["systemctl", "daemon-reload"]);
    assert.ok(notes.some((note: string) => note.startsWith("It runs as root, without any of root's capabilities")));
  });
  assert.equal((await runIn(systemd, "/nonexistent")("palyrad", "install", "--system", "--user")).code, 2);
});

Deno.test("install refuses to replace a service that is installed differently, unless --force", source, async () => {
  await using systemd = await StandInSystemd.create();
  await withStateRoot(async (root) => {
    const run = runIn(systemd, root);
    const path = systemd.unitPath("palyrad.service");
    assert.equal((await run("palyrad", "install", "--user", "--no-start")).code, 0);
    await Deno.writeTextFile(path, `${await Deno.readTextFile(path)}# mine\n`);
    const refused = await run("palyrad", "install", "--user", "--no-start");
    assert.equal(refused.code, 7);
    assert.match(refused.stderr, /--force.*\[service_installed_differently\]/);
    assert.match(await Deno.readTextFile(path), /# mine/);
    assert.equal((await run("palyrad", "install", "--user", "--no-start", "--force")).code, 0);
    assert.doesNotMatch(await Deno.readTextFile(path), /# mine/);

    // Of another state root: neither replaced nor stopped nor removed.
    const other = join(root, "other");
    const elsewhere = await run("palyrad", "install", "--user", "--no-start", "--state-root", other);
    assert.match(elsewhere.stderr, /for another state folder/);
    assert.match((await run("palyrad", "uninstall", "--state-root", other)).stderr, /\[service_not_installed\]/);
    assert.ok((await Deno.stat(path)).isFile);
  });
});

Deno.test(
  "install says what is wrong with the configuration, and what a service will not see of it",
  source,
  async () => {
    await using systemd = await StandInSystemd.create();
    await withStateRoot(async (root) => {
      const install = (env: Readonly<Record<string, string>>) =>
        runProgram("palyrad", ["install", "--user", "--no-start"], {
          stateRoot: root,
          env: { ...systemd.env, ...env },
        });
      const wrong = await install({ PALYRA_NODE_RPC_PORT: "many" });
      assert.equal(wrong.code, 2);
      await assert.rejects(Deno.stat(systemd.unitPath("palyrad.service")), Deno.errors.NotFound);
      const noted = await install({ PALYRA_NODE_RPC_PORT: "17444" });
      assert.equal(noted.code, 0);
      assert.match(noted.stderr, /^note: PALYRA_NODE_RPC_PORT is set here, and a service does not see that/m);
    });
  },
);

Deno.test("install, start and restart leave a process in a terminal alone, and stop ends it", source, async () => {
  await using systemd = await StandInSystemd.create();
  await withStateRoot(async (root) => {
    const run = runIn(systemd, root);
    const options = { stateRoot: root, env: systemd.env };
    const foreground = await RunningProgram.start("palyrad", ["run", "--json"], options);
    await foreground.line((line) => line.includes('"event":"ready"'));
    for (const verb of [["install", "--user"], ["start"], ["restart"], ["uninstall", "--purge"]]) {
      // deno-lint-ignore no-await-in-loop -- two cores: one process at a time
      const refused = await run("palyrad", ...verb);
      assert.equal(refused.code, 7, verb.join(" "));
      assert.match(refused.stderr, new RegExp(`process ${foreground.pid}.*palyrad stop.*\\[state_in_use\\]`));
    }
    const stopped = documentOf(await run("palyrad", "stop", "--json"));
    assert.deepEqual([stopped.was_running, stopped.pid], [true, foreground.pid]);
    assert.equal((await foreground.ended).code, 0);
    const none = await run("palyrad", "start");
    assert.match(none.stderr, /palyrad install.*palyrad run.*\[service_not_installed\]/);
  });
});

Deno.test("stop does not touch a stranger that got the pid of a process that was killed", linux, async () => {
  await withStateRoot(async (root) => {
    const daemon = await RunningProgram.start("palyrad", ["run", "--json"], { stateRoot: root });
    await daemon.line((line) => line.includes('"event":"ready"'));
    daemon.kill("SIGKILL");
    await daemon.ended;
    const path = join(root, "palyrad", "palyrad-process.json");
    const noted = JSON.parse(await Deno.readTextFile(path));
    const stranger = new Deno.Command("sleep", { args: ["60"] }).spawn();
    await Deno.writeTextFile(path, JSON.stringify({ ...noted, pid: stranger.pid }));
    const stopped = await runProgram("palyrad", ["stop"], { stateRoot: root });
    assert.equal(stopped.stdout, "palyrad was not running.\n", stopped.stderr);
    stranger.kill("SIGKILL");
    assert.equal((await stranger.status).signal, "SIGKILL");
  });
});

Deno.test("install names the cure where there is no service manager, or none that answers", source, async () => {
  await using systemd = await StandInSystemd.create();
  await withStateRoot(async (root) => {
    const install = (env: Readonly<Record<string, string>>) =>
      runProgram("palyrad", ["install", "--user"], { stateRoot: root, env: { ...systemd.env, ...env } });
    const missing = await install({ PATH: "/nonexistent" });
    assert.equal(missing.code, 7);
    assert.match(missing.stderr, /This machine has no systemctl.*\[service_manager_unavailable\]/);
    const plan = ["install", "--user", "--dry-run"];
    const shown = await runProgram("palyrad", plan, { stateRoot: root, env: { ...systemd.env, PATH: "/nonexistent" } });
    assert.match(shown.stdout, /^ExecStart=/m);

    const bin = join(root, "bin");
    await Deno.mkdir(bin);
    const silent = "#!/bin/sh\necho 'Failed to connect to bus: No medium found' >&2\nexit 1\n";
    await Deno.writeTextFile(join(bin, "systemctl"), silent, { mode: 0o755 });
    const unanswered = await install({ PATH: `${bin}:/usr/bin:/bin` });
    assert.equal(unanswered.code, 7);
    assert.match(unanswered.stderr, /No medium found.*enable-linger.*\[service_manager_unavailable\]/);
    await assert.rejects(Deno.stat(systemd.unitPath("palyrad.service")), Deno.errors.NotFound);
  });
});

Deno.test("run --log-file keeps everything in a file, the reason why it ended too", linux, async () => {
  await withStateRoot(async (root) => {
    const path = join(root, "logs", "palyrad.log");
    const options = { stateRoot: root };
    const daemon = await RunningProgram.start("palyrad", ["run", "--json", "--log-file", path], options);
    await daemon.line((line) => line.includes('"event":"ready"'));
    const second = await runProgram("palyrad", ["run", "--log-file", path], options);
    assert.equal(second.code, 7);
    const { stderr } = await daemon.stop();
    assert.equal(stderr, "");
    const lines = (await Deno.readTextFile(path)).trimEnd().split("\n").map((line) => JSON.parse(line));
    assert.ok(lines.some(({ message }) => message === "palyrad is ready."));
    assert.ok(lines.some(({ level, error }) => level === "error" && error?.code === "state_in_use"));
    assert.equal(lines.at(-1).message, "palyrad has stopped.");
  });
});
