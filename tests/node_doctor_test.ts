import assert from "node:assert/strict";
import { join } from "node:path";
import * as tls from "node:tls";
import { fileURLToPath } from "node:url";
import { CertificateAuthority } from "../identity/certificate_authority.ts";
import { parseEndpoint } from "../identity/endpoint.ts";
import { TlsKey } from "../identity/tls_key.ts";
import { systemClock, unixMs } from "../identity/unix_ms.ts";
import { examineNode } from "../node_host/doctor/node_doctor.ts";
import { readConnectionStatus } from "../node_host/connection_status.ts";
import { readNodeHostRecord, writeNodeHostRecord } from "../node_host/node_host_record.ts";
import { CHANNEL_LEFTOVERS } from "../transport/grpc/testing/channel_leftovers.ts";
import { assertNoSecrets, ReportedHealth } from "./harness/doctor_report.ts";
import { Fleet } from "./harness/fleet.ts";
import { folderSnapshot } from "./harness/folder_snapshot.ts";
import { NetworkRelay } from "./harness/network_relay.ts";
import { forge, identityOf, stolenCa } from "./harness/paired_device.ts";
import { TESTS_BUILT_PROGRAMS } from "./harness/program.ts";

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

const fromSource = { ignore: TESTS_BUILT_PROGRAMS };
const onUnix = { ignore: Deno.build.os === "windows" };

const ahead = (ms: number) => () => unixMs(systemClock() + ms);

/** Where UDP is not what is looked at, there is no need to wait for it. */
const GRPC = { PALYRA_TRANSPORT: "grpc" };

async function doctor(fleet: Fleet, env: Readonly<Record<string, string>> = {}): Promise<ReportedHealth> {
  return new ReportedHealth(await fleet.node("laptop", ["doctor", "--json"], { env }));
}

/** Resolves when the host has written down that it is connected; after that it writes no more. */
async function settled(fleet: Fleet): Promise<void> {
  // deno-lint-ignore no-await-in-loop -- looks until it is there
  while ((await readConnectionStatus(folderOf(fleet)))?.state !== "connected");
}

function folderOf(fleet: Fleet): string {
  return join(fleet.nodeRoot("laptop"), "node-host");
}

function secretOf(fleet: Fleet, name: string): string {
  return join(folderOf(fleet), "secrets", name);
}

/** Has other text in a file while `body` runs. */
async function withText(path: string, text: string, body: () => Promise<void>): Promise<void> {
  const before = await Deno.readTextFile(path).catch(() => undefined);
  await Deno.writeTextFile(path, text, { mode: 0o600 });
  await body();
  if (before === undefined) await Deno.remove(path);
  else await Deno.writeTextFile(path, before);
}

Deno.test("palyra-node doctor finds nothing amiss in a node that serves; it changes nothing and disturbs nothing", async () => {
  await using fleet = await Fleet.create();
  await fleet.startDaemon();
  await fleet.pair("laptop");
  await fleet.connect("laptop");
  await settled(fleet);
  const before = await folderSnapshot(fleet.nodeRoot("laptop"));
  const report = await doctor(fleet);
  assert.deepEqual(await folderSnapshot(fleet.nodeRoot("laptop")), before);
  assert.equal(report.code, 0, report.text);
  assert.deepEqual(report.with("failed"), []);
  for (
    const name of [
      "deno_version",
      "configuration",
      "state_folder",
      "pairing",
      "credentials",
      "certificate",
      "clock",
      "daemon_address",
      "daemon_identity",
      "admission",
      "quic",
      "process",
      "requests_channel",
    ]
  ) assert.equal(report.of(name).outcome, "ok", report.text);
  await assertNoSecrets(report.text, join(folderOf(fleet), "secrets"));

  const { nodes: [node] } = await fleet.palyrad("nodes", "list");
  assert.deepEqual([node.connected, node.epoch], [true, 1], "the session stands");
  const { listeners } = await fleet.palyrad("status");
  const refusals = listeners.flatMap((listener: { refusals: unknown[] }) => listener.refusals);
  assert.deepEqual(refusals, [], "nothing that was asked counts as refused");

  const text = (await fleet.node("laptop", ["doctor"])).stdout;
  assert.match(text, /^✓ {2}admission {9}127\.0\.0\.1:\d+: The daemon accepts/m);
  assert.ok(!text.includes("\x1b"), "no colours but on a terminal");
});

Deno.test("palyra-node doctor names what is amiss on this machine, and leaves it as it is", onUnix, async () => {
  await using fleet = await Fleet.create();
  const unpaired = await doctor(fleet);
  assert.equal(unpaired.code, 7);
  assert.equal(unpaired.of("state_folder").code, "state_not_initialised");
  assert.equal(unpaired.of("pairing").code, "not_paired");
  assert.match(unpaired.of("pairing").cure ?? "", /palyra-node pair/);
  await assert.rejects(Deno.stat(fleet.nodeRoot("laptop")), Deno.errors.NotFound);

  await fleet.startDaemon();
  await fleet.pair("laptop");
  const before = await folderSnapshot(fleet.nodeRoot("laptop"));
  const stopped = await doctor(fleet);
  assert.deepEqual(await folderSnapshot(fleet.nodeRoot("laptop")), before);
  assert.equal(stopped.code, 0, stopped.text);
  assert.equal(stopped.of("process").code, "host_not_running");
  assert.match(stopped.of("process").cure ?? "", /palyra-node run/);

  const key = secretOf(fleet, "tls-key.pem");
  await Deno.chmod(key, 0o644);
  const wide = await doctor(fleet);
  assert.equal(wide.code, 7);
  assert.deepEqual(wide.with("failed"), ["state_folder"]);
  assert.equal(wide.of("state_folder").code, "state_not_private");
  assert.ok(wide.of("state_folder").cure?.includes(`chmod 600 ${key}`), wide.text);
  assert.equal(((await Deno.stat(key)).mode ?? 0) & 0o777, 0o644, "it only tells");
  await Deno.chmod(key, 0o600);

  await withText(join(folderOf(fleet), "palyra.toml"), 'transprot = "quic"\n', async () => {
    const broken = await doctor(fleet);
    assert.equal(broken.code, 2);
    assert.deepEqual(broken.with("failed"), ["configuration"]);
    assert.match(broken.of("configuration").seen, /transprot/);
    assert.match(broken.of("configuration").cure ?? "", /transport/);
    assert.equal(broken.of("admission").outcome, "ok", "the rest is looked at all the same");
  });
  await withText(join(folderOf(fleet), "palyra.toml"), 'opener = "/nonexistent/opener"\n', async () => {
    const openerless = await doctor(fleet);
    assert.equal(openerless.of("opener").code, "capability_unavailable");
    assert.match(openerless.of("opener").seen, /\/nonexistent\/opener/);
  });

  await withText(key, await (await TlsKey.generate()).toPem(), async () => {
    const mixed = await doctor(fleet);
    assert.equal(mixed.code, 7);
    assert.equal(mixed.of("credentials").code, "state_damaged");
    assert.match(mixed.of("credentials").cure ?? "", /palyra-node pair --force/);
    await assertNoSecrets(mixed.text, join(folderOf(fleet), "secrets"));
  });
  const other = await CertificateAuthority.create({ clock: systemClock });
  await withText(secretOf(fleet, "trusted-ca.pem"), other.certificatePem, async () => {
    assert.match((await doctor(fleet)).of("credentials").seen, /not issued by a CA of trusted-ca\.pem/);
  });

  const host = await fleet.connect("laptop");
  host.kill("SIGKILL");
  await host.ended;
  const killed = await doctor(fleet);
  assert.equal(killed.of("process").outcome, "warning");
  assert.ok(killed.of("process").seen.includes(String(host.pid)), killed.text);
});

Deno.test("palyra-node doctor tells a certificate that has expired from one that is not valid yet", async () => {
  await using fleet = await Fleet.create();
  await fleet.startDaemon();
  await fleet.pair("laptop");
  const { deviceId, caPem } = await identityOf(fleet, "laptop");
  const showing = async (madeAt: number, expected: string) => {
    const ca = await stolenCa(fleet, ahead(madeAt));
    const { certificatePem, keyPem } = await forge(ca, caPem, { deviceId, validityMs: 1_000 });
    await Deno.writeTextFile(secretOf(fleet, "client-certificate.pem"), certificatePem);
    await Deno.writeTextFile(secretOf(fleet, "tls-key.pem"), keyPem);
    const report = await doctor(fleet);
    assert.equal(report.code, 3, report.text);
    assert.equal(report.of("certificate").code, expected);
    assert.equal(report.of("admission").outcome, "failed", "the daemon does not take it either");
    return report;
  };
  const expired = await showing(-MINUTE_MS, "certificate_expired");
  assert.equal(expired.of("admission").code, "certificate_expired");
  assert.match(expired.of("certificate").cure ?? "", /clock.*palyra-node pair --force/);
  const early = await showing(DAY_MS, "certificate_not_yet_valid");
  assert.equal(early.of("clock").code, "clock_off", "its own certificate gives a slow clock away");
});

Deno.test(
  "palyra-node doctor compares this machine's clock with the daemon's",
  { ...CHANNEL_LEFTOVERS, ...fromSource },
  async () => {
    await using fleet = await Fleet.create();
    await fleet.startDaemon();
    await fleet.pair("laptop");
    const clockAt = async (ms: number) => {
      const { checks } = await examineNode({ stateRoot: fleet.nodeRoot("laptop"), clock: ahead(ms) });
      return checks.find(({ name }) => name === "clock")?.finding;
    };
    const fast = await clockAt(10 * MINUTE_MS);
    assert.ok(fast?.outcome === "failed" && fast.code === "clock_off", JSON.stringify(fast));
    assert.match(fast.seen, /10 min ahead of the daemon's/);
    const slow = await clockAt(-2 * MINUTE_MS);
    assert.ok(slow?.outcome === "warning" && slow.code === "clock_off", JSON.stringify(slow));
    assert.match(slow.seen, /2 min behind the daemon's/);
    assert.equal((await clockAt(0))?.outcome, "ok");
  },
);

Deno.test("palyra-node doctor tells apart what can be wrong with the daemon's address", async () => {
  await using fleet = await Fleet.create();
  const { nodeRpc, enrolment } = await fleet.startDaemon();
  await fleet.pair("laptop");
  const at = async (endpoint: string) => {
    await fleet.divert("laptop", endpoint);
    return await doctor(fleet, GRPC);
  };

  const unknown = await at("no-such-host.invalid:7444");
  assert.equal(unknown.code, 4);
  assert.match(unknown.of("daemon_address").seen, /does not resolve/);

  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const closedPort = `127.0.0.1:${listener.addr.port}`;
  listener.close();
  const closed = await at(closedPort);
  assert.equal(closed.code, 4);
  assert.match(closed.of("daemon_address").seen, /Nothing listens/);
  assert.deepEqual(closed.with("failed"), ["daemon_address"], "what follows from it is no failure of its own");

  const pairing = await at(enrolment);
  assert.equal(pairing.code, 6);
  assert.equal(pairing.of("admission").code, "wrong_listener");

  {
    await using plain = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, () => new Response("hello"));
    const notTls = await at(`127.0.0.1:${plain.addr.port}`);
    assert.equal(notTls.code, 4);
    assert.match(notTls.of("daemon_identity").seen, /does not speak TLS/);
  }

  await using relay = await NetworkRelay.start(parseEndpoint(nodeRpc));
  relay.tcp = "stalled";
  const silent = await at(relay.endpoint);
  assert.equal(silent.code, 4);
  assert.equal(silent.of("daemon_identity").code, "deadline_exceeded");

  const folder = folderOf(fleet);
  const record = await readNodeHostRecord(folder);
  if (record === undefined) throw new Error("the node is paired");
  await writeNodeHostRecord(folder, { ...record, nodeEndpoints: [closedPort, nodeRpc] });
  const second = await doctor(fleet, GRPC);
  assert.equal(second.code, 0, "one of two addresses is enough");
  assert.equal(second.of("daemon_address", closedPort).outcome, "warning");
  assert.equal(second.of("admission", nodeRpc).outcome, "ok");
});

Deno.test("palyra-node doctor finds UDP blocked where TCP gets through; for QUIC alone that is a failure", async () => {
  await using fleet = await Fleet.create();
  const { nodeRpc } = await fleet.startDaemon();
  await fleet.pair("laptop");
  await using relay = await NetworkRelay.start(parseEndpoint(nodeRpc));
  await fleet.divert("laptop", relay.endpoint);
  assert.equal((await doctor(fleet)).of("quic").outcome, "ok");
  relay.blockUdp();
  const blocked = await doctor(fleet);
  assert.equal(blocked.code, 0);
  assert.equal(blocked.of("admission").outcome, "ok");
  assert.equal(blocked.of("quic").outcome, "warning");
  assert.match(blocked.of("quic").seen, /UDP gets no answer.*gRPC is used meanwhile/);
  assert.match(blocked.of("quic").cure ?? "", /transport = "grpc"/);
  await withText(join(folderOf(fleet), "palyra.toml"), 'transport = "quic"\n', async () => {
    assert.equal((await doctor(fleet)).code, 4);
  });
  await withText(join(folderOf(fleet), "palyra.toml"), 'transport = "grpc"\n', async () => {
    const off = await doctor(fleet);
    assert.deepEqual([off.of("quic").outcome, off.of("quic_library").outcome], ["skipped", "skipped"]);
  });
});

Deno.test("palyra-node doctor knows another daemon at the address, and somebody between", async () => {
  await using fleet = await Fleet.create();
  await using others = await Fleet.create();
  await fleet.startDaemon();
  await fleet.pair("laptop");
  const { nodeRpc } = await others.startDaemon();
  await fleet.divert("laptop", nodeRpc);
  const wrong = await doctor(fleet, GRPC);
  assert.equal(wrong.code, 3, wrong.text);
  assert.equal(wrong.of("daemon_identity").code, "daemon_untrusted");
  assert.match(wrong.of("daemon_identity").seen, /Another daemon answers/);
  assert.equal(wrong.of("admission").outcome, "skipped", "nothing is said to it");

  // Of a CA with the same names, beside the real CA's certificate.
  const impostor = await CertificateAuthority.create({ clock: systemClock });
  const { certificatePem, privateKeyPem } = await impostor.issueServerCertificate({
    names: [],
    addresses: [],
    validityMs: DAY_MS,
  });
  const { caPem } = await identityOf(fleet, "laptop");
  await using between = await tlsServer(certificatePem + caPem, privateKeyPem);
  await fleet.divert("laptop", between.endpoint);
  const caught = await doctor(fleet, GRPC);
  assert.equal(caught.code, 3, caught.text);
  assert.match(caught.of("daemon_identity").seen, /somebody stands between/);

  // The daemon's own certificate, long ago.
  const late = await stolenCa(fleet, ahead(-DAY_MS));
  const old = await late.issueServerCertificate({ names: [], addresses: [], validityMs: 1_000 });
  await using expired = await tlsServer(old.certificatePem + caPem, old.privateKeyPem);
  await fleet.divert("laptop", expired.endpoint);
  assert.equal((await doctor(fleet, GRPC)).of("daemon_identity").code, "clock_off");
});

async function tlsServer(cert: string, key: string): Promise<AsyncDisposable & { readonly endpoint: string }> {
  const server = tls.createServer({ cert, key, minVersion: "TLSv1.3" });
  // Clients hang up in the middle: that is what is tested.
  server.on("tlsClientError", () => {});
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("a server has an address");
  return {
    endpoint: `127.0.0.1:${address.port}`,
    [Symbol.asyncDispose]: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

Deno.test("palyra-node doctor says when the daemon has revoked the machine, and when it has forgotten it", async () => {
  await using fleet = await Fleet.create();
  await fleet.startDaemon();
  await fleet.pair("laptop");
  const { deviceId } = await identityOf(fleet, "laptop");
  await fleet.palyrad("devices", "revoke", deviceId);
  const revoked = await doctor(fleet);
  assert.equal(revoked.code, 3);
  assert.deepEqual(revoked.with("failed"), ["admission"]);
  assert.equal(revoked.of("admission").code, "device_revoked");
  assert.match(revoked.of("admission").cure ?? "", /palyra-node unpair --local/);
  await fleet.palyrad("devices", "remove", deviceId);
  const removed = await doctor(fleet);
  assert.equal(removed.code, 3);
  assert.equal(removed.of("admission").code, "device_unknown");
});

Deno.test("palyra-node doctor names the flags for what Deno does not grant", fromSource, async () => {
  await using fleet = await Fleet.create();
  await fleet.startDaemon();
  await fleet.pair("laptop");
  const main = fileURLToPath(new URL("../node_host/main.ts", import.meta.url));
  const withFlags = async (...flags: string[]) => {
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "--no-prompt", "-A", ...flags, main, "doctor", "--json"],
      env: { NO_COLOR: "1", PALYRA_STATE_ROOT: fleet.nodeRoot("laptop") },
      stdin: "null",
    }).output();
    const decoder = new TextDecoder();
    return new ReportedHealth({ code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) });
  };
  const fewer = await withFlags("--deny-ffi", "--deny-run");
  assert.equal(fewer.code, 0, fewer.text);
  assert.equal(fewer.of("permissions").code, "permission_missing");
  assert.match(fewer.of("permissions").cure ?? "", /`--allow-ffi(=[^`]+)?`.*`--allow-run=/);
  assert.equal(fewer.of("quic_library").code, "unsupported");
  assert.match(fewer.of("quic_library").cure ?? "", /--allow-ffi/);
  assert.equal(fewer.of("quic").outcome, "skipped");
  assert.equal(fewer.of("admission").outcome, "ok", "gRPC does not need it");

  const { nodeEndpoints: [endpoint = ""] = [] } = await readNodeHostRecord(folderOf(fleet)) ?? {};
  const offline = await withFlags(`--deny-net=${endpoint}`);
  assert.equal(offline.code, 6, offline.text);
  assert.equal(offline.of("daemon_address").code, "permission_missing");
  assert.ok(offline.of("permissions").cure?.includes(`--allow-net=${endpoint}`), offline.text);
});
