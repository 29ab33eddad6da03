import assert from "node:assert/strict";
import { join } from "node:path";
import { copyFolder } from "./harness/copy_folder.ts";
import { ReportedHealth } from "./harness/doctor_report.ts";
import { Fleet } from "./harness/fleet.ts";

/** Where the daemon of a fleet keeps its state. */
const folderOf = (fleet: Fleet) => join(fleet.daemonRoot, "palyrad");

async function restore(fleet: Fleet, backup: string): Promise<void> {
  await Deno.remove(folderOf(fleet), { recursive: true });
  await Deno.mkdir(folderOf(fleet), { mode: 0o700 });
  await copyFolder(backup, folderOf(fleet));
}

async function doctor(fleet: Fleet): Promise<ReportedHealth> {
  return new ReportedHealth(await fleet.tryPalyrad("doctor", "--json"));
}

Deno.test("palyrad serves no state that was restored from before a revocation, names it, and goes on when that is accepted", async () => {
  await using fleet = await Fleet.create();
  const backup = await Deno.makeTempDir();
  try {
    await fleet.startDaemon();
    await fleet.pair("laptop");
    await fleet.daemon.stop();
    await copyFolder(folderOf(fleet), backup);
    assert.equal((await doctor(fleet)).of("generation").outcome, "ok");

    // Restored without anything that was lost, it serves as before.
    await restore(fleet, backup);
    await fleet.startDaemon();
    const { devices } = await fleet.palyrad("devices", "list");
    const laptop = devices.find((each: { device_name: string }) => each.device_name === "laptop");
    await fleet.palyrad("devices", "revoke", laptop.device_id);
    await fleet.daemon.stop();

    await restore(fleet, backup);
    const refused = await fleet.tryPalyrad("run", "--port", "0", "--enrolment-port", "0");
    assert.equal(refused.code, 7, refused.stderr);
    assert.match(refused.stderr, /state_restored/);
    assert.match(refused.stderr, /--accept-restored-state/);
    const finding = (await doctor(fleet)).of("generation");
    assert.deepEqual([finding.outcome, finding.code], ["failed", "state_restored"]);

    await fleet.startDaemon(["--accept-restored-state"]);
    const { stdout } = await fleet.tryPalyrad("audit", "tail", "--json");
    assert.equal(stdout.split('"kind":"state.restored"').length - 1, 1, stdout);
    assert.doesNotMatch(stdout, /audit\.damaged/);
    await fleet.palyrad("devices", "revoke", laptop.device_id);
    await fleet.daemon.stop();
    await fleet.startDaemon();
    const again = await fleet.palyrad("devices", "show", laptop.device_id);
    assert.equal(again.status, "revoked");
  } finally {
    await Deno.remove(backup, { recursive: true });
  }
});

Deno.test("palyrad serves although nothing can be noted outside of its state folder, and says so", async () => {
  await using fleet = await Fleet.create();
  const file = await Deno.makeTempFile();
  try {
    const place = { PALYRA_STATE_GENERATION_FILE: join(file, "no-folder", "generation.json") };
    await fleet.startDaemon([], place);
    await fleet.daemon.line((line) => line.includes("cannot be noted outside"));
    await fleet.pair("laptop");
  } finally {
    await Deno.remove(file);
  }
});
