import assert from "node:assert/strict";
import { permissionFlag } from "./permission_gate.ts";
import { probePermissions } from "./testdata/probe_permissions.ts";
import { StandInOpener } from "./testdata/stand_in_opener.ts";

Deno.test("checkPermissions() keeps the gate shut and names each flag when Deno grants nothing", async () => {
  await using opener = await StandInOpener.create();
  const report = await probePermissions([], [opener.command, "/srv/shared", "/srv/more"]);
  assert.deepEqual(report.available, {
    "desktop.open_path": false,
    "desktop.open_url": false,
    "echo": true,
    "system.health": true,
    "system.identity": true,
  });
  const runFlag = `--allow-run=${opener.command}`;
  assert.ok(report.reasons["desktop.open_url"]?.includes(`start palyra-node with ${runFlag}.`));
  assert.ok(
    report.reasons["desktop.open_path"]?.includes(`${runFlag} --allow-read=/srv/shared --allow-read=/srv/more.`),
  );
  assert.equal(report.openUrl.errorCode, "permission_missing");
  assert.ok(report.openUrl.error?.includes(runFlag));
  assert.deepEqual(await opener.opened(), []);
});

Deno.test("checkPermissions() opens the gate for exactly what is granted", async () => {
  await using opener = await StandInOpener.create();
  const report = await probePermissions([`--allow-run=${opener.command}`], [opener.command, "/srv/shared"]);
  assert.equal(report.available["desktop.open_url"], true);
  assert.equal(report.available["desktop.open_path"], false);
  assert.deepEqual(report.openUrl.output, { opened: true, url: "https://example.com/" });
  assert.deepEqual(await opener.opened(), ["1:https://example.com/"]);
});

Deno.test("checkPermissions() heeds --deny-run over a wider grant", async () => {
  await using opener = await StandInOpener.create();
  const report = await probePermissions(["--allow-all", `--deny-run=${opener.command}`], [
    opener.command,
    opener.folder,
  ]);
  assert.equal(report.available["desktop.open_url"], false);
  assert.equal(report.available["desktop.open_path"], false);
  assert.deepEqual(await opener.opened(), []);
});

Deno.test("permissionFlag() writes the flag of each kind of permission", () => {
  const cases: [Deno.PermissionDescriptor, string][] = [
    [{ name: "run", command: "/usr/bin/open" }, "--allow-run=/usr/bin/open"],
    [{ name: "read", path: "/srv" }, "--allow-read=/srv"],
    [{ name: "write" }, "--allow-write"],
    [{ name: "net", host: "example.com:443" }, "--allow-net=example.com:443"],
    [{ name: "env", variable: "HOME" }, "--allow-env=HOME"],
    [{ name: "sys", kind: "loadavg" }, "--allow-sys=loadavg"],
    [{ name: "ffi", path: "/lib/a.so" }, "--allow-ffi=/lib/a.so"],
  ];
  for (const [descriptor, flag] of cases) assert.equal(permissionFlag(descriptor), flag);
});
