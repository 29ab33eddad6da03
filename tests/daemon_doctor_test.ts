import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { examineDaemon } from "../daemon/doctor/daemon_doctor.ts";
import { CertificateAuthority } from "../identity/certificate_authority.ts";
import { systemClock, unixMs } from "../identity/unix_ms.ts";
import { CHANNEL_LEFTOVERS } from "../transport/grpc/testing/channel_leftovers.ts";
import { assertNoSecrets, ReportedHealth } from "./harness/doctor_report.ts";
import { Fleet } from "./harness/fleet.ts";
import { folderSnapshot } from "./harness/folder_snapshot.ts";
import { forge } from "./harness/paired_device.ts";
import { runProgram, TESTS_BUILT_PROGRAMS } from "./harness/program.ts";
import { StandInSystemd } from "./harness/stand_in_systemd.ts";

const HOUR_MS = 3_600_000;

const fromSource = { ignore: TESTS_BUILT_PROGRAMS };
const onUnix = { ignore: Deno.build.os === "windows" };
// A release may start the platform's own systemctl and no other.
const onLinuxSource = { ignore: Deno.build.os !== "linux" || TESTS_BUILT_PROGRAMS };

/** So that nothing on this machine is in the way. */
const ANY_PORTS = { PALYRA_NODE_RPC_PORT: "0", PALYRA_ENROLMENT_PORT: "0" };

const ahead = (ms: number) => () => unixMs(systemClock() + ms);

async function doctor(fleet: Fleet, env: Readonly<Record<string, string>> = {}): Promise<ReportedHealth> {
  const options = { stateRoot: fleet.daemonRoot, env: { ...ANY_PORTS, ...env } };
  return new ReportedHealth(await runProgram("palyrad", ["doctor", "--json"], options));
}

function folderOf(fleet: Fleet): string {
  return join(fleet.daemonRoot, "palyrad");
}

/** Has other bytes in a file while `body` runs. */
async function withBytes(path: string, bytes: Uint8Array, body: () => Promise<void>): Promise<void> {
  const before = await Deno.readFile(path);
  await Deno.writeFile(path, bytes);
  await body();
  await Deno.writeFile(path, before);
}

async function withText(path: string, text: string, body: () => Promise<void>): Promise<void> {
  await withBytes(path, new TextEncoder().encode(text), body);
}

/** A daemon that has run, has a device, and was stopped as it should. */
async function stoppedDaemon(): Promise<Fleet> {
  const fleet = await Fleet.create();
  await fleet.startDaemon();
  await fleet.pair("laptop");
  await fleet.daemon.stop();
  return fleet;
}

Deno.test("palyrad doctor finds nothing amiss in a daemon that runs, was killed or was stopped, and changes nothing", async () => {
  await using fleet = await Fleet.create();
  await fleet.startDaemon();
  await fleet.pair("laptop");
  const { listeners: before } = await fleet.palyrad("status");
  const running = await doctor(fleet);
  assert.equal(running.code, 0, running.text);
  assert.deepEqual(running.with("warning"), [], running.text);
  // A release may not ask how much room there is.
  const skipped = running.with("skipped").filter((name) => name !== "disk_space");
  assert.deepEqual(skipped, ["operations_port", "service"]);
  assert.ok(running.of("process").seen.includes(String(fleet.daemon.pid)));
  for (const name of ["node_rpc_port", "quic_port", "enrolment_port"]) {
    assert.match(running.of(name).seen, new RegExp(`held by this palyrad \\(process ${fleet.daemon.pid}\\)`));
  }
  assert.match(running.of("devices").seen, /^Paired devices: 1; certificates that end within a day.*: 1\.$/);
  await assertNoSecrets(running.text, join(folderOf(fleet), "secrets"));
  const { listeners: after } = await fleet.palyrad("status");
  const refusals = (views: { refusals: unknown[] }[]) => views.map((view) => view.refusals);
  assert.deepEqual(refusals(after), refusals(before), "nothing that was asked counts as refused");

  fleet.daemon.kill("SIGKILL");
  await fleet.daemon.ended;
  const killed = await unchanged(fleet);
  assert.equal(killed.code, 0, killed.text);
  assert.equal(killed.of("database").outcome, "ok", "what is in the log alone is looked at too");
  assert.match(killed.of("devices").seen, /^Paired devices: 1;/);
  assert.match(killed.of("process").seen, /was killed/);

  await fleet.startDaemon();
  await fleet.daemon.stop();
  const stopped = await unchanged(fleet);
  assert.equal(stopped.code, 0, stopped.text);
  assert.deepEqual(stopped.with("warning"), ["process"]);
  assert.match(
    (await fleet.tryPalyrad("doctor")).stdout,
    /^! {2}process +palyrad does not run.*\n +→ Run `palyrad run`/m,
  );
});

/** The report on a daemon that does not run, whose folder must be afterwards what it was before. */
async function unchanged(fleet: Fleet): Promise<ReportedHealth> {
  const before = await folderSnapshot(fleet.daemonRoot);
  const report = await doctor(fleet);
  assert.deepEqual(await folderSnapshot(fleet.daemonRoot), before);
  return report;
}

Deno.test("palyrad doctor says so when there is no state yet, and makes none", async () => {
  await using fleet = await Fleet.create();
  const report = await doctor(fleet);
  assert.equal(report.code, 7, report.text);
  assert.deepEqual(report.with("failed"), ["state_folder"]);
  assert.equal(report.of("self_check").outcome, "ok");
  await assert.rejects(Deno.stat(fleet.daemonRoot), Deno.errors.NotFound);
});

Deno.test("palyrad doctor names a configuration that cannot be, and names that no certificate can carry", async () => {
  await using fleet = await stoppedDaemon();
  const config = join(folderOf(fleet), "palyra.toml");
  await Deno.writeTextFile(config, "[node_rpc]\nprot = 7444\n", { mode: 0o600 });
  const broken = await doctor(fleet);
  assert.equal(broken.code, 2);
  assert.match(broken.of("configuration").seen, /node_rpc\.prot/);
  assert.equal(broken.of("node_rpc_port").outcome, "skipped");
  assert.equal(broken.of("database").outcome, "ok", "the rest is looked at all the same");
  await Deno.writeTextFile(config, 'server_names = ["*.example"]\n');
  const unfit = await doctor(fleet);
  assert.equal(unfit.code, 2);
  assert.match(unfit.of("server_certificate").cure ?? "", /server_names/);
});

Deno.test("palyrad doctor tells a port that another program has from one that palyrad has", async () => {
  await using fleet = await stoppedDaemon();
  using other = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const otherUdp = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  await using stack = new AsyncDisposableStack();
  stack.defer(() => otherUdp.close());
  const tcp = String(other.addr.port);
  const pairing = await doctor(fleet, { PALYRA_ENROLMENT_PORT: tcp });
  assert.equal(pairing.code, 4, pairing.text);
  assert.deepEqual(pairing.with("failed"), ["enrolment_port"]);
  assert.equal(pairing.of("enrolment_port").code, "listen_failed");
  assert.match(pairing.of("enrolment_port").seen, /in use by another program/);
  assert.equal((await doctor(fleet, { PALYRA_OPERATIONS_PORT: tcp })).of("operations_port").outcome, "failed");
  assert.ok(otherUdp.addr.transport === "udp");
  const quic = await doctor(fleet, { PALYRA_NODE_RPC_PORT: String(otherUdp.addr.port) });
  assert.equal(quic.of("quic_port").outcome, "failed");

  const free = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const operations = String(free.addr.port);
  free.close();
  await fleet.startDaemon([], { PALYRA_OPERATIONS_PORT: operations });
  const running = await doctor(fleet, { PALYRA_OPERATIONS_PORT: operations, PALYRA_NODE_RPC_PORT: tcp });
  assert.equal(running.code, 0, running.text);
  assert.match(running.of("operations_port").seen, /is ready/);
  assert.equal(running.of("node_rpc_port").outcome, "warning", "the configuration was changed since");
  assert.match(running.of("node_rpc_port").cure ?? "", /palyrad restart/);
});

Deno.test("palyrad doctor finds a damaged database, and one of a newer palyrad", async () => {
  await using fleet = await stoppedDaemon();
  const path = join(folderOf(fleet), "palyrad.sqlite");
  const bytes = await Deno.readFile(path);
  const pages = bytes.slice();
  // Past the first page, which says what the file is.
  pages.fill(0xff, 8_192, 24_576);
  await withBytes(path, pages, async () => {
    const holes = await doctor(fleet);
    assert.equal(holes.code, 7, holes.text);
    assert.equal(holes.of("database").code, "state_damaged");
    assert.match(holes.of("database").cure ?? "", /backup/);
  });
  await withText(path, "This is no database at all.".repeat(400), async () => {
    assert.equal((await doctor(fleet)).of("database").code, "state_damaged");
  });
  const db = new DatabaseSync(path);
  db.exec("PRAGMA user_version = 9999");
  db.close();
  const newer = await unchanged(fleet);
  assert.equal(newer.code, 7);
  assert.equal(newer.of("database").code, "schema_too_new");
});

Deno.test(
  "palyrad doctor finds a CA that is another one, lacks its key or was lost, and modes that are too wide",
  onUnix,
  async () => {
    await using fleet = await stoppedDaemon();
    const secret = (name: string) => join(folderOf(fleet), "secrets", name);
    const other = await CertificateAuthority.create({ clock: systemClock });
    await withText(secret("ca-key.pem"), await other.exportPrivateKeyPem(), async () => {
      const mixed = await doctor(fleet);
      assert.equal(mixed.code, 7, mixed.text);
      assert.equal(mixed.of("ca").code, "state_damaged");
      assert.match(mixed.of("ca").seen, /belongs to another private key/);
      await assertNoSecrets(mixed.text, join(folderOf(fleet), "secrets"));
      await withText(secret("ca-certificate.pem"), other.certificatePem, async () => {
        assert.match((await doctor(fleet)).of("ca").seen, /another one than that whose devices are paired here/);
      });
    });
    const key = await Deno.readFile(secret("ca-key.pem"));
    await Deno.remove(secret("ca-key.pem"));
    assert.match((await doctor(fleet)).of("ca").seen, /ca-key\.pem is missing/);
    await Deno.writeFile(secret("ca-key.pem"), key, { mode: 0o640 });
    await Deno.chmod(secret("ca-key.pem"), 0o640);
    const wide = await doctor(fleet);
    assert.equal(wide.code, 7);
    assert.deepEqual(wide.with("failed"), ["state_folder"]);
    assert.ok(wide.of("state_folder").cure?.includes(`chmod 600 ${secret("ca-key.pem")}`), wide.text);
  },
);

Deno.test("palyrad doctor finds an operator certificate that the running daemon does not take, and names it does not carry", async () => {
  await using fleet = await Fleet.create();
  await fleet.startDaemon();
  const named = await doctor(fleet, { PALYRA_SERVER_NAMES: "localhost,home.example" });
  assert.equal(named.of("server_certificate").outcome, "warning");
  assert.match(named.of("server_certificate").seen, /does not carry home\.example,/);
  assert.match(named.of("server_certificate").cure ?? "", /palyrad restart/);

  const stranger = await CertificateAuthority.create({ clock: systemClock });
  const { certificatePem, keyPem } = await forge(stranger, "", { clientKind: "cli" });
  const secrets = join(folderOf(fleet), "secrets");
  await Deno.writeTextFile(join(secrets, "operator-certificate.pem"), certificatePem);
  await Deno.writeTextFile(join(secrets, "operator-key.pem"), keyPem);
  const foreign = await doctor(fleet);
  assert.equal(foreign.code, 3, foreign.text);
  assert.deepEqual(foreign.with("failed"), ["operator"]);
  assert.equal(foreign.of("operator").code, "certificate_untrusted");
});

Deno.test(
  "palyrad doctor knows a clock that is behind, and devices whose certificates have expired",
  { ...CHANNEL_LEFTOVERS, ...fromSource },
  async () => {
    await using fleet = await stoppedDaemon();
    const at = async (ms: number) => {
      const { checks } = await examineDaemon({ stateRoot: fleet.daemonRoot, clock: ahead(ms) });
      return (name: string) => checks.find((check) => check.name === name)?.finding;
    };
    const clock = (await at(-HOUR_MS))("clock");
    assert.ok(clock?.outcome === "failed" && clock.code === "clock_off", JSON.stringify(clock));
    assert.match(clock.seen, /behind by 60 min|behind by 1 h/);
    const devices = (await at(48 * HOUR_MS))("devices");
    assert.ok(devices?.outcome === "warning" && devices.code === "certificate_expired", JSON.stringify(devices));
    assert.match(devices.seen, /certificates that have expired: 1 \(laptop\)/);
    const ca = (await at(10 * 366 * 24 * HOUR_MS))("ca");
    assert.ok(ca?.outcome === "failed" && ca.code === "certificate_expired", JSON.stringify(ca));
  },
);

Deno.test("palyrad doctor says how the service stands", onLinuxSource, async () => {
  await using systemd = await StandInSystemd.create();
  await using fleet = await Fleet.create();
  await Deno.mkdir(folderOf(fleet), { recursive: true, mode: 0o700 });
  const palyrad = async (...args: string[]) => {
    const options = { stateRoot: fleet.daemonRoot, env: { ...ANY_PORTS, ...systemd.env } };
    const { code, stderr } = await runProgram("palyrad", args, options);
    assert.equal(code, 0, stderr);
  };
  await palyrad("install", "--user");
  const running = await doctor(fleet, systemd.env);
  assert.equal(running.of("service").outcome, "ok", running.text);
  await palyrad("stop");
  const stopped = await doctor(fleet, systemd.env);
  assert.equal(stopped.of("service").outcome, "warning");
  assert.match(stopped.of("service").cure ?? "", /palyrad start/);
  await palyrad("uninstall");
});
