import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseEndpoint } from "../identity/endpoint.ts";
import { systemClock, unixMs } from "../identity/unix_ms.ts";
import { ReportedHealth } from "./harness/doctor_report.ts";
import { Fleet } from "./harness/fleet.ts";
import { NetworkRelay } from "./harness/network_relay.ts";
import { forge, stolenCa, type TestIdentity } from "./harness/paired_device.ts";
import { PairingDevice } from "./harness/pairing_device.ts";
import { runProgram, TESTS_BUILT_PROGRAMS } from "./harness/program.ts";
import { within } from "./harness/within.ts";

const MINUTE_MS = 60_000;
const fromSource = { ignore: TESTS_BUILT_PROGRAMS };
const ANY_PORTS = { PALYRA_NODE_RPC_PORT: "0", PALYRA_ENROLMENT_PORT: "0" };

async function doctor(fleet: Fleet): Promise<ReportedHealth> {
  return new ReportedHealth(
    await runProgram("palyrad", ["doctor", "--json"], { stateRoot: fleet.daemonRoot, env: ANY_PORTS }),
  );
}

function folderOf(fleet: Fleet): string {
  return join(fleet.daemonRoot, "palyrad");
}

/** Puts another operator certificate in the place of the daemon's own. */
async function showAs({ certificatePem, keyPem }: TestIdentity, fleet: Fleet): Promise<ReportedHealth> {
  const secrets = join(folderOf(fleet), "secrets");
  await Deno.writeTextFile(join(secrets, "operator-certificate.pem"), certificatePem);
  await Deno.writeTextFile(join(secrets, "operator-key.pem"), keyPem);
  return await doctor(fleet);
}

/** Has commands look for the running daemon elsewhere, as a note would that another daemon has written. */
async function divert(fleet: Fleet, nodeRpc: string): Promise<void> {
  const path = join(folderOf(fleet), "palyrad-process.json");
  const note: Record<string, unknown> = JSON.parse(await Deno.readTextFile(path));
  assert.ok("node_rpc" in note, JSON.stringify(note));
  await Deno.writeTextFile(path, JSON.stringify({ ...note, node_rpc: nodeRpc }));
}

Deno.test("palyrad doctor tells an operator certificate that has expired, or is of no known device", async () => {
  await using fleet = await Fleet.create();
  await fleet.startDaemon();
  const { devices } = await fleet.palyrad("devices", "list");
  const operator = devices.find((device: { client_kind: string }) => device.client_kind === "cli");
  const past = () => unixMs(systemClock() - MINUTE_MS);
  const expired = await showAs(
    await forge(await stolenCa(fleet, past), "", {
      clientKind: "cli",
      deviceId: operator.device_id,
      validityMs: 1_000,
    }),
    fleet,
  );
  assert.deepEqual([expired.code, expired.of("operator").code], [3, "certificate_expired"], expired.text);

  const unknown = await showAs(await forge(await stolenCa(fleet), "", { clientKind: "cli" }), fleet);
  assert.deepEqual([unknown.code, unknown.of("operator").code], [3, "device_unknown"], unknown.text);
});

Deno.test("palyrad doctor tells that the operator whose certificate it has was revoked", async () => {
  await using fleet = await Fleet.create();
  const { enrolment } = await fleet.startDaemon();
  const { secret_text: token } = await fleet.palyrad("pairing", "code", "--approve", "--kind", "cli");
  const device = await PairingDevice.create({ clientKind: "cli" });
  const operator = await device.identityBy(await device.pair(enrolment, token));
  await fleet.palyrad("devices", "revoke", operator.deviceId);
  const revoked = await showAs(operator, fleet);
  assert.deepEqual([revoked.code, revoked.of("operator").code], [3, "device_revoked"], revoked.text);
});

Deno.test("palyrad doctor knows another daemon at its address, and a port on which nothing listens", async () => {
  await using fleet = await Fleet.create();
  await using others = await Fleet.create();
  await fleet.startDaemon();
  const { nodeRpc } = await others.startDaemon();
  await divert(fleet, nodeRpc);
  const wrong = await doctor(fleet);
  assert.deepEqual([wrong.code, wrong.of("server_certificate").code], [3, "daemon_untrusted"], wrong.text);
  assert.equal(wrong.of("operator").outcome, "failed");

  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const closed = `127.0.0.1:${listener.addr.port}`;
  listener.close();
  await divert(fleet, closed);
  const nobody = await doctor(fleet);
  assert.deepEqual([nobody.code, nobody.of("operator").code], [4, "daemon_unreachable"], nobody.text);
});

Deno.test("palyrad doctor suspects that UDP is blocked when nodes come, and none by QUIC", async () => {
  await using fleet = await Fleet.create();
  const { nodeRpc } = await fleet.startDaemon();
  await fleet.pair("laptop");
  await using relay = await NetworkRelay.start(parseEndpoint(nodeRpc));
  await fleet.divert("laptop", relay.endpoint);
  relay.blockUdp();
  const host = await within(MINUTE_MS, "the connection", fleet.connect("laptop"));
  const blocked = await doctor(fleet);
  assert.equal(blocked.code, 0, blocked.text);
  assert.deepEqual(blocked.with("warning"), ["quic_port"], blocked.text);
  assert.match(blocked.of("quic_port").seen, /connected: 1; none of them by QUIC.*UDP may be blocked/);
  assert.match(blocked.of("quic_port").cure ?? "", /palyra-node doctor/);
  await host.stop();

  await fleet.divert("laptop", nodeRpc);
  const again = await fleet.startNode("laptop", ["run"]);
  const connected = (line: string) => line.includes("Node connected.") && line.includes('"transport":"quic"');
  await within(MINUTE_MS, "the connection", fleet.daemon.line(connected));
  assert.equal((await doctor(fleet)).of("quic_port").outcome, "ok");
  await again.stop();
});

Deno.test("palyrad doctor names the flags for what Deno does not grant", fromSource, async () => {
  await using fleet = await Fleet.create();
  await fleet.startDaemon();
  await fleet.daemon.stop();
  const main = fileURLToPath(new URL("../daemon/main.ts", import.meta.url));
  const withFlags = async (...flags: string[]) => {
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "--no-prompt", "-A", ...flags, main, "doctor", "--json"],
      env: { NO_COLOR: "1", PALYRA_STATE_ROOT: fleet.daemonRoot, PALYRA_NODE_RPC_PORT: "17444" },
      stdin: "null",
    }).output();
    const decoder = new TextDecoder();
    return new ReportedHealth({ code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) });
  };
  const fewer = await withFlags("--deny-ffi", "--deny-net=127.0.0.1:17444");
  assert.equal(fewer.code, 6, fewer.text);
  assert.equal(fewer.of("permissions").code, "permission_missing");
  assert.match(fewer.of("permissions").seen, /listen for nodes\.$/);
  assert.match(fewer.of("permissions").cure ?? "", /`--allow-net=127\.0\.0\.1:17444`/);
  assert.match(fewer.of("quic_library").cure ?? "", /--allow-ffi/);
  const readOnly = await withFlags(`--deny-write=${folderOf(fleet)}`);
  assert.match(readOnly.of("permissions").cure ?? "", /`--allow-write=[^`]+palyrad`/);
});
