// deno-lint-ignore-file no-await-in-loop -- the steps of a test follow each other
import assert from "node:assert/strict";
import { join } from "node:path";
import type { DaemonTiming } from "../daemon/palyrad.ts";
import { parseEndpoint } from "../identity/endpoint.ts";
import { fingerprintOf } from "../identity/fingerprint.ts";
import { PalyraError } from "../identity/palyra_error.ts";
import { pemToDers } from "../identity/pem.ts";
import type { AuthorityView } from "../proto/gen/admin.ts";
import type { ClientTlsMaterial } from "../transport/client_tls_material.ts";
import { probeServerChain } from "../transport/grpc/server_probe.ts";
import { GrpcDialer } from "../transport/grpc/grpc_dialer.ts";
import { QuicDialer } from "../transport/quic/quic_dialer.ts";
import { InProcessDaemon } from "./harness/in_process_daemon.ts";
import { RestartedNode } from "./harness/restarted_node.ts";
import { ScriptedNode } from "./harness/scripted_node.ts";
import { within } from "./harness/within.ts";

/** Of each transport. */
const NODES = 4;

const INPUT = new TextEncoder().encode('{"hello":"world"}');
const PATIENCE_MS = 30_000;
const DAY_MS = 24 * 3_600_000;

/** A daemon with nodes on both transports, all of them at work without a pause. */
class BusyFleet implements AsyncDisposable {
  readonly #stack = new AsyncDisposableStack();
  readonly #over = new AbortController();
  readonly #work: Promise<void>[] = [];
  readonly failures: string[] = [];
  #answered = 0;

  private constructor(readonly daemon: InProcessDaemon, readonly nodes: readonly RestartedNode[]) {}

  static async start(timing: DaemonTiming): Promise<BusyFleet> {
    const daemon = await InProcessDaemon.start({}, timing);
    const nodes: RestartedNode[] = [];
    while (nodes.length < 2 * NODES) nodes.push(await RestartedNode.enrol(daemon, DAY_MS));
    await daemon.restart();
    const fleet = new BusyFleet(daemon, nodes);
    fleet.#stack.use(daemon);
    for (const node of nodes) fleet.#stack.use(node);
    await Promise.all(nodes.map((node) => fleet.startNode(node)));
    return fleet;
  }

  /** Even ones over gRPC, odd ones over QUIC. */
  async startNode(node: RestartedNode): Promise<void> {
    await node.start({ transport: this.nodes.indexOf(node) % 2 === 0 ? "grpc" : "quic" });
    await node.connected();
  }

  /** Gives every node one request after the other, until the fleet is disposed of. */
  work(): void {
    for (const node of this.nodes) this.#work.push(this.#keepBusy(node));
  }

  /** Resolves when that many more requests were answered. */
  async answers(count: number): Promise<void> {
    const enough = this.#answered + count;
    while (this.#answered < enough && this.failures.length === 0) await pause();
  }

  /** How often each node was welcomed. */
  get epochs(): number[] {
    return this.nodes.map(({ statuses }) => new Set(statuses.flatMap(({ epoch }) => epoch ?? [])).size);
  }

  /** Resolves with the view that `matches`. */
  async authority(what: string, matches: (view: AuthorityView) => boolean): Promise<AuthorityView> {
    let view = await this.daemon.operator.getAuthority({});
    await until(what, async () => {
      view = await this.daemon.operator.getAuthority({});
      return matches(view);
    });
    return view;
  }

  async #keepBusy({ deviceId }: RestartedNode): Promise<void> {
    while (!this.#over.signal.aborted) {
      const { state, error } = await this.daemon.operator.execute({
        deviceId,
        capability: "echo",
        inputJson: INPUT,
      }).catch((error: unknown) => ({ state: "failed", error: String(error) }));
      if (state === "succeeded") this.#answered++;
      else this.failures.push(`${deviceId}: ${error}`);
    }
  }

  async stopWork(): Promise<void> {
    this.#over.abort();
    await Promise.all(this.#work);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stopWork();
    await this.#stack.disposeAsync();
  }
}

Deno.test("palyrad renews its server certificate under load without ending a session, on every listener", async () => {
  const validityMs = 3_000;
  await using fleet = await BusyFleet.start({ serverCertificate: { validityMs, checkEveryMs: 50 } });
  const { daemon } = fleet;
  fleet.work();
  const seen = new Set<string>();
  for (let renewals = 0; renewals < 3; renewals++) {
    const { serverCertificateFingerprint } = await fleet.authority(
      "the renewal of the server certificate",
      (view) => !seen.has(view.serverCertificateFingerprint),
    );
    seen.add(serverCertificateFingerprint);
    for (const listener of [daemon.nodeRpc, daemon.enrolment]) {
      const { leafDer } = await probeServerChain(parseEndpoint(listener));
      assert.equal(fingerprintOf(leafDer), serverCertificateFingerprint, listener);
    }
    await fleet.answers(50);
  }
  // By now the first certificate has expired: who comes anew must be shown another one.
  for (const node of fleet.nodes) await assertLetIn(daemon, await materialOf(node));
  await fleet.stopWork();
  assert.deepEqual(fleet.failures, []);
  assert.deepEqual(fleet.epochs, fleet.nodes.map(() => 1));
});

Deno.test("palyrad rotates its CA under load: no request fails, and no node reconnects more than once", async () => {
  await using fleet = await BusyFleet.start({ checkEveryMs: 200 });
  const { daemon, nodes } = fleet;
  const { operator } = daemon;
  const [old] = (await operator.getAuthority({})).authorities;
  assert.ok(old);
  const before = await Promise.all(nodes.map((node) => materialOf(node)));
  fleet.work();
  await fleet.answers(50);

  const begun = await operator.beginAuthorityRotation({});
  assert.equal(begun.phase, "introducing");
  assert.deepEqual(begun.authorities.map(({ role }) => role), ["current", "next"]);
  const next = begun.authorities.at(-1);
  assert.ok(next);
  const ready = await fleet.authority(
    "the spreading of the new CA",
    ({ progress }) => progress.every(({ trustsNewest }) => trustsNewest),
  );
  assert.equal(ready.progress.length, nodes.length);
  for (const node of nodes) assert.deepEqual(await trustedBy(node), [old.fingerprint, next.fingerprint]);
  await fleet.answers(50);
  assert.deepEqual(fleet.epochs, nodes.map(() => 1), "the first step ends no session");

  const completed = await operator.completeAuthorityRotation({ force: false });
  assert.equal(completed.phase, "retiring");
  assert.notEqual(completed.serverCertificateFingerprint, begun.serverCertificateFingerprint);
  const { caDer } = await probeServerChain(parseEndpoint(daemon.enrolment));
  assert.equal(fingerprintOf(caDer), next.fingerprint);
  await fleet.authority(
    "the renewal of every node's certificate",
    ({ progress }) => progress.every(({ hasNewestCertificate }) => hasNewestCertificate),
  );
  await fleet.answers(50);
  for (const [at, count] of fleet.epochs.entries()) {
    assert.ok(count <= 2, `node ${at} was welcomed ${count} times`);
  }

  // The operator of this test holds the last certificate of the old CA.
  assert.deepEqual((await operator.getAuthority({})).authorities.map(({ validCertificates }) => validCertificates), [
    1,
    nodes.length + 1,
  ]);
  for (const material of before) await assertRefused(daemon, material, "certificate_superseded");
  await fleet.stopWork();
  assert.deepEqual(fleet.failures, []);
  const epochs = fleet.epochs;
  await endOperatorBefore(daemon);
  const { progress, authorities } = await fleet.authority("the old CA's retirement", ({ phase }) => phase === "stable");
  assert.deepEqual(authorities.map(({ fingerprint }) => fingerprint), [next.fingerprint]);
  assert.deepEqual(progress, []);
  for (const node of nodes) {
    const { state } = await daemon.operator.execute({ deviceId: node.deviceId, capability: "echo", inputJson: INPUT });
    assert.equal(state, "succeeded");
    await until("the node's trust in the new CA alone", async () => (await trustedBy(node)).length === 1);
    assert.deepEqual(await trustedBy(node), [next.fingerprint]);
  }
  assert.deepEqual(fleet.epochs, epochs, "the retirement ends no session");
  for (const material of before) await assertRefused(daemon, material, "daemon_untrusted");
  for (const node of nodes) await assertLetIn(daemon, await materialOf(node));
  const acts = daemon.audit().filter(({ kind }) => kind.startsWith("ca."));
  assert.deepEqual(acts.map(({ kind, actor, subject }) => [kind, actor.split(" (", 1)[0], subject]), [
    ["ca.created", "palyrad", old.fingerprint],
    ["ca.rotation_begun", "local operator", next.fingerprint],
    ["ca.rotation_completed", "local operator", next.fingerprint],
    ["ca.retired", "palyrad", old.fingerprint],
  ]);
});

Deno.test("a node that was away until the old CA was gone comes back by itself, by recovery along the succession", async () => {
  await using daemon = await InProcessDaemon.start({}, { checkEveryMs: 50 });
  await using node = await RestartedNode.enrol(daemon, 2_000);
  await daemon.restart();
  const [old] = (await daemon.operator.getAuthority({})).authorities;
  assert.ok(old);
  // Twice, so that it has more than one link to follow.
  for (const _ of ["once", "again"]) {
    await daemon.operator.beginAuthorityRotation({});
    await daemon.operator.completeAuthorityRotation({ force: false });
    await endOperatorBefore(daemon);
    await node.untilExpired();
    await until("the old CA's retirement", async () => (await daemon.operator.getAuthority({})).phase === "stable");
  }
  const [current, ...others] = (await daemon.operator.getAuthority({})).authorities;
  assert.ok(current);
  assert.deepEqual(others, []);
  assert.deepEqual(await trustedBy(node), [old.fingerprint]);
  for (const transport of ["grpc", "quic"] as const) {
    await node.start({ transport });
    await within(PATIENCE_MS, `the return over ${transport}`, node.connected());
    await node.stop();
  }
  assert.deepEqual(await trustedBy(node), [current.fingerprint]);
  assert.equal((await daemon.operator.getDevice({ deviceId: node.deviceId })).recoveryCount, 1);
});

Deno.test("palyrad does not complete a rotation over nodes that do not trust the new CA, unless it is forced; it can be aborted", async () => {
  await using daemon = await InProcessDaemon.start();
  await using node = await RestartedNode.enrol(daemon, DAY_MS);
  await daemon.restart();
  const { operator } = daemon;
  await assert.rejects(operator.completeAuthorityRotation({ force: true }), isError("rotation_not_begun"));
  await assert.rejects(operator.abortAuthorityRotation({}), isError("rotation_not_begun"));
  const { caPem, certificatePem, keyPem } = await materialOf(node);
  const identity = { deviceId: node.deviceId, caPem: caPem.join(""), certificatePem, keyPem };
  using stubborn = await ScriptedNode.connect(daemon.nodeRpc, identity, { transport: "quic" });

  await operator.beginAuthorityRotation({});
  await stubborn.first("trustBundle");
  assert.equal(bundles(stubborn).at(-1)?.length, 2);
  await assert.rejects(operator.beginAuthorityRotation({}), isError("rotation_under_way"));
  await assert.rejects(
    operator.completeAuthorityRotation({ force: false }),
    isError("nodes_not_ready", /laptop.*--force/),
  );
  const { phase, progress } = await operator.getAuthority({});
  assert.equal(phase, "introducing");
  assert.deepEqual(
    progress.map(({ deviceName, connected, trustsNewest, hasNewestCertificate }) => ({
      deviceName,
      connected,
      trustsNewest,
      hasNewestCertificate,
    })),
    [{ deviceName: "laptop", connected: true, trustsNewest: false, hasNewestCertificate: false }],
  );

  assert.equal((await operator.abortAuthorityRotation({})).phase, "stable");
  await until("the news of the abort", () => bundles(stubborn).at(-1)?.length === 1);
  const again = await operator.beginAuthorityRotation({});
  await daemon.restart();
  assert.equal((await daemon.operator.getAuthority({})).phase, "introducing", "a restart changes nothing");
  using other = await ScriptedNode.connect(daemon.nodeRpc, identity, { transport: "grpc" });
  const forced = await daemon.operator.completeAuthorityRotation({ force: true });
  assert.equal(
    forced.authorities.find(({ role }) => role === "current")?.fingerprint,
    again.authorities.at(-1)?.fingerprint,
  );
  await other.first("renewCertificate");
  assert.ok(other.received.every(({ $case }) => $case !== "goodbye"));
  const completed = daemon.audit().find(({ kind }) => kind === "ca.rotation_completed");
  assert.equal(completed?.details.forced, true);
});

Deno.test("a node that was away through a rotation of the CA comes back by itself, without recovery while the old CA retires", async () => {
  await using fleet = await BusyFleet.start({ checkEveryMs: 200 });
  const { daemon: { operator }, nodes } = fleet;
  const [old] = (await operator.getAuthority({})).authorities;
  assert.ok(old);
  const [overGrpc, overQuic] = nodes;
  assert.ok(overGrpc && overQuic);
  for (const node of [overGrpc, overQuic]) await node.stop();
  await operator.beginAuthorityRotation({});
  await fleet.authority(
    "the spreading of the new CA",
    ({ progress }) => progress.every(({ connected, trustsNewest }) => !connected || trustsNewest),
  );
  const { authorities, progress } = await operator.completeAuthorityRotation({ force: false });
  assert.equal(progress.filter(({ connected }) => !connected).length, 2);
  const next = authorities.find(({ role }) => role === "current");
  assert.ok(next);
  for (const node of [overGrpc, overQuic]) {
    assert.deepEqual(await trustedBy(node), [old.fingerprint]);
    await fleet.startNode(node);
  }
  await fleet.authority(
    "the return of the two nodes",
    ({ progress }) => progress.every(({ hasNewestCertificate, trustsNewest }) => hasNewestCertificate && trustsNewest),
  );
  for (const node of [overGrpc, overQuic]) {
    assert.deepEqual(await trustedBy(node), [next.fingerprint, old.fingerprint]);
    const { recoveryCount } = await operator.getDevice({ deviceId: node.deviceId });
    assert.equal(recoveryCount, 0);
  }
});

/** Ends the certificate that the operator had before the last rotation: its CA goes when none of it is left. */
async function endOperatorBefore(daemon: InProcessDaemon): Promise<void> {
  await daemon.reconnectOperator();
  const { devices } = await daemon.operator.listDevices({ includeRevoked: false, afterDeviceId: "" });
  const local = devices.find(({ deviceName }) => deviceName === "local operator");
  assert.ok(local);
  const { certificates } = await daemon.operator.getDevice({ deviceId: local.deviceId });
  for (const { fingerprint, revoked } of certificates.slice(0, -1)) {
    if (!revoked) await daemon.operator.revokeCertificate({ fingerprint, reason: "replaced" });
  }
}

/** The trust bundles that a node was sent. */
function bundles({ received }: ScriptedNode): Uint8Array[][] {
  return received.flatMap((message) => message.$case === "trustBundle" ? [pemToDers(message.value.pem)] : []);
}

const isError = (code: string, about = /./) => (error: unknown): boolean => {
  assert.ok(error instanceof PalyraError, String(error));
  assert.equal(error.code, code);
  assert.match(error.message, about);
  return true;
};

/** What a node would dial with, from its files. */
async function materialOf({ folder }: RestartedNode): Promise<ClientTlsMaterial> {
  const read = (file: string) => Deno.readTextFile(join(folder, "secrets", file));
  const [caPem, certificatePem, keyPem] = await Promise.all([
    read("trusted-ca.pem"),
    read("client-certificate.pem"),
    read("tls-key.pem"),
  ]);
  return { caPem: [caPem], certificatePem, keyPem };
}

/** The CAs that a node trusts, from its file. */
async function trustedBy(node: RestartedNode): Promise<string[]> {
  const { caPem: [pem = ""] } = await materialOf(node);
  return pemToDers(pem).map(fingerprintOf);
}

/** Dials anew on both transports. */
function dials(daemon: InProcessDaemon, material: ClientTlsMaterial) {
  const target = { endpoint: parseEndpoint(daemon.nodeRpc), material: () => material };
  const signal = AbortSignal.timeout(PATIENCE_MS);
  return [new GrpcDialer(target), new QuicDialer(target)].map((dialer) => dialer.dial(signal));
}

async function assertLetIn(daemon: InProcessDaemon, material: ClientTlsMaterial): Promise<void> {
  for (const session of await Promise.all(dials(daemon, material))) {
    session.close("cancelled", "enough was seen");
    await session.closed;
  }
}

async function assertRefused(daemon: InProcessDaemon, material: ClientTlsMaterial, code: string): Promise<void> {
  const outcomes = await Promise.allSettled(dials(daemon, material));
  const codes = outcomes.map((outcome) => outcome.status === "rejected" ? outcome.reason.code : "let in");
  assert.deepEqual(codes, [code, code]);
}

async function until(what: string, holds: () => Promise<boolean> | boolean): Promise<void> {
  const look = async () => {
    while (!await holds()) await pause();
  };
  await within(PATIENCE_MS, what, look());
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 20));
}
