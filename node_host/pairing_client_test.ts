import assert from "node:assert/strict";
import { join } from "node:path";
import { CertificateAuthority } from "../identity/certificate_authority.ts";
import { mintPin, mintQrCode } from "../identity/pairing_code.ts";
import type { PalyraError } from "../identity/palyra_error.ts";
import type { ReasonCode } from "../identity/reason_code.ts";
import { systemClock } from "../identity/unix_ms.ts";
import { ReconnectBackoff } from "../transport/program/reconnect_backoff.ts";
import { NodeHostState } from "./node_host_state.ts";
import { SECRET_NAMES, SECRETS_FOLDER } from "./node_secrets.ts";
import { PairingClient, type PairingClientOptions, type PairingProgress } from "./pairing_client.ts";
import { EnrolmentServer } from "./testing/enrolment_server.ts";
import { TestFolder } from "./testing/test_folder.ts";

const NEVER = new AbortController().signal;

interface Host extends AsyncDisposable {
  readonly folder: string;
  readonly state: NodeHostState;
  readonly progress: PairingProgress[];
  client(changes?: Partial<PairingClientOptions>): PairingClient;
  /** The names of the secrets that lie there. */
  secrets(): Promise<string[]>;
}

async function makeHost(): Promise<Host> {
  const folder = await TestFolder.create();
  const state = await NodeHostState.open(folder.path);
  const progress: PairingProgress[] = [];
  return {
    folder: folder.path,
    state,
    progress,
    client: (changes = {}) =>
      new PairingClient({
        state,
        platform: "linux-x86_64",
        deviceName: "box",
        requestedCapabilities: ["echo", "system.health"],
        onProgress: (step) => progress.push(step),
        backoff: new ReconnectBackoff({ baseMs: 1, maxMs: 1 }),
        ...changes,
      }),
    secrets: async () => {
      const entries = await Array.fromAsync(Deno.readDir(join(folder.path, SECRETS_FOLDER)), ({ name }) => name);
      return entries.sort();
    },
    async [Symbol.asyncDispose]() {
      state[Symbol.dispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

const PAIRED_SECRETS: string[] = [
  SECRET_NAMES.clientCertificate,
  SECRET_NAMES.deviceIdentity,
  SECRET_NAMES.tlsKey,
  SECRET_NAMES.trustedCa,
].sort();

const PENDING_SECRETS: string[] = [
  SECRET_NAMES.deviceIdentity,
  SECRET_NAMES.pendingPairing,
  SECRET_NAMES.pendingTlsKey,
].sort();

const withCode = (code: ReasonCode) => (thrown: unknown) => {
  assert.equal((thrown as PalyraError).code, code, String(thrown));
  return true;
};

Deno.test("PairingClient.pairByToken() pairs at once when the code was approved in advance", async () => {
  await using host = await makeHost();
  await using server = await EnrolmentServer.start(mintQrCode());
  server.behaviour.approve = true;
  const record = await host.client().pairByToken(server.token(), NEVER);
  assert.equal(record.deviceId, server.verified?.deviceId);
  assert.deepEqual(record.nodeEndpoints, ["127.0.0.1:7444"]);
  assert.deepEqual(record.enrolmentEndpoints, [server.endpoint]);
  assert.equal(record.caFingerprint, server.ca.fingerprint);
  assert.deepEqual(server.verified?.requestedCapabilities, ["echo", "system.health"]);
  assert.deepEqual(await host.secrets(), PAIRED_SECRETS);
  const credentials = await host.state.credentials();
  assert.equal(credentials.identity.fingerprint, server.verified?.identityFingerprint);
  assert.deepEqual(await host.state.record(), record);
  assert.deepEqual(host.progress, []);
});

Deno.test("PairingClient.pairByPin() waits for the approval and shows the fingerprint that the operator sees", async () => {
  await using host = await makeHost();
  const code = mintPin();
  await using server = await EnrolmentServer.start(code);
  const pairing = host.client().pairByPin(server.endpoint, code.pin, NEVER);
  await server.untilWatched();
  assert.deepEqual(await host.secrets(), PENDING_SECRETS);
  const [step] = host.progress;
  assert.ok(step?.kind === "pending_approval");
  assert.equal(step.identityFingerprint, server.verified?.identityFingerprint);
  assert.equal((await host.state.record())?.pairedAt, undefined);
  await assert.rejects(host.state.credentials(), withCode("not_paired"));
  server.decide("approved");
  assert.notEqual((await pairing).pairedAt, undefined);
  assert.deepEqual(await host.secrets(), PAIRED_SECRETS);
});

Deno.test("PairingClient says nothing to a server with another CA than the token's", async () => {
  await using host = await makeHost();
  await using real = await EnrolmentServer.start(mintQrCode());
  await using impostor = await EnrolmentServer.start(mintQrCode());
  const token = real.token({ endpoints: [impostor.endpoint] });
  await assert.rejects(host.client().pairByToken(token, NEVER), withCode("daemon_untrusted"));
  assert.equal(impostor.begins, 0);
  assert.deepEqual(await host.secrets(), [SECRET_NAMES.deviceIdentity]);
});

Deno.test("PairingClient tries the token's endpoints in order, past silent and foreign ones", async () => {
  await using host = await makeHost();
  await using server = await EnrolmentServer.start(mintQrCode());
  await using foreign = await EnrolmentServer.start(mintQrCode());
  server.behaviour.approve = true;
  const token = server.token({ endpoints: ["127.0.0.1:1", foreign.endpoint, server.endpoint] });
  const record = await host.client().pairByToken(token, NEVER);
  assert.equal(record.caFingerprint, server.ca.fingerprint);
  assert.equal(foreign.begins, 0);
});

Deno.test("PairingClient rejects with daemon_unreachable, and keeps the identity, when nobody answers", async () => {
  await using host = await makeHost();
  await using server = await EnrolmentServer.start(mintQrCode());
  const token = server.token({ endpoints: ["127.0.0.1:1"] });
  await assert.rejects(host.client().pairByToken(token, NEVER), withCode("daemon_unreachable"));
  const identity = await host.state.ensureIdentity();
  server.behaviour.approve = true;
  const record = await host.client().pairByToken(server.token(), NEVER);
  assert.equal(record.deviceId, identity.deviceId);
});

Deno.test("PairingClient with a wrong PIN is refused and stores nothing but its identity", async () => {
  await using host = await makeHost();
  const code = mintPin();
  await using server = await EnrolmentServer.start(code);
  const wrong = code.pin === "000000" ? "000001" : "000000";
  await assert.rejects(
    host.client().pairByPin(server.endpoint, wrong, NEVER),
    withCode("pairing_proof_failed"),
  );
  assert.deepEqual(await host.secrets(), [SECRET_NAMES.deviceIdentity]);
  assert.equal(await host.state.record(), undefined);
});

Deno.test("PairingClient believes nothing of an answer whose confirmation is wrong", async () => {
  await using host = await makeHost();
  await using server = await EnrolmentServer.start(mintQrCode());
  server.behaviour.approve = true;
  server.behaviour.answer = (response) => ({ ...response, gatewayConfirmation: new Uint8Array(32) });
  await assert.rejects(host.client().pairByToken(server.token(), NEVER), withCode("daemon_untrusted"));
  assert.deepEqual(await host.secrets(), [SECRET_NAMES.deviceIdentity]);
  assert.equal(await host.state.record(), undefined);
});

Deno.test("PairingClient refuses a certificate that is not for it, or not from the proven CA", async () => {
  const stranger = await CertificateAuthority.create({ clock: systemClock });
  await using host = await makeHost();
  await using other = await makeHost();
  await using server = await EnrolmentServer.start(mintQrCode());
  server.behaviour.approve = true;
  await other.client().pairByToken(server.token(), NEVER);
  const { certificatePem } = await other.state.credentials();
  const wrongAnswers: EnrolmentServer["behaviour"]["answer"][] = [
    (response) => ({ ...response, mtlsClientCertificatePem: certificatePem }),
    (response) => ({ ...response, gatewayCaCertificatePem: stranger.certificatePem }),
    (response) => ({ ...response, mtlsClientCertificatePem: server.ca.certificatePem }),
    (response) => ({ ...response, mtlsClientCertificatePem: "nothing" }),
  ];
  for (const answer of wrongAnswers) {
    if (answer !== undefined) server.behaviour.answer = answer;
    // deno-lint-ignore no-await-in-loop -- one pairing after the other
    await assert.rejects(host.client().pairByToken(server.token(), NEVER), withCode("daemon_untrusted"));
    // deno-lint-ignore no-await-in-loop -- one pairing after the other
    await assert.rejects(host.state.credentials(), withCode("not_paired"));
  }
  assert.ok(!(await host.secrets()).includes(SECRET_NAMES.clientCertificate));
});

Deno.test("PairingClient refuses malformed endpoints in the daemon's answer", async () => {
  await using host = await makeHost();
  await using server = await EnrolmentServer.start(mintQrCode());
  for (const nodeEndpoints of [[], ["no port"], Array.from({ length: 9 }, () => "a:1")]) {
    server.behaviour.answer = (response) => ({ ...response, nodeEndpoints });
    // deno-lint-ignore no-await-in-loop -- one pairing after the other
    await assert.rejects(host.client().pairByToken(server.token(), NEVER), withCode("invalid_pairing_message"));
  }
  assert.deepEqual(await host.secrets(), [SECRET_NAMES.deviceIdentity]);
});

Deno.test("PairingClient.resume() goes on after a restart, with the same key, at a daemon that restarted too", async () => {
  await using host = await makeHost();
  const code = mintPin();
  await using server = await EnrolmentServer.start(code);
  const stop = new AbortController();
  const waiting = host.client().pairByPin(server.endpoint, code.pin, stop.signal);
  await server.untilWatched();
  stop.abort(new Error("restart"));
  await assert.rejects(waiting, withCode("cancelled"));
  assert.deepEqual(await host.secrets(), PENDING_SECRETS);

  const { port } = server;
  await server.stop();
  const unreachable = Promise.withResolvers<void>();
  const resumed = host.client({
    onProgress: (step) => step.kind === "unreachable" && unreachable.resolve(),
  }).resume(NEVER);
  await unreachable.promise;
  await server.listen(port);
  await server.untilWatched();
  server.decide("approved");
  assert.equal((await resumed).deviceId, server.verified?.deviceId);
  assert.deepEqual(await host.secrets(), PAIRED_SECRETS);
});

Deno.test("PairingClient asks again when the stream ends without a decision", async () => {
  await using host = await makeHost();
  await using server = await EnrolmentServer.start(mintQrCode());
  server.behaviour.endStreams = true;
  const pairing = host.client({ onProgress: () => {} }).pairByToken(server.token(), NEVER);
  await server.untilWatched();
  server.decide("approved");
  await pairing;
  assert.ok(server.watches >= 2);
});

Deno.test("PairingClient forgets a request that was rejected or has expired, and says why", async () => {
  const ends = [
    ["rejected", "pairing_rejected", "not our machine"],
    ["expired", "pairing_expired", ""],
  ] as const;
  for (const [decision, code, reason] of ends) {
    // deno-lint-ignore no-await-in-loop -- one pairing after the other
    await using host = await makeHost();
    // deno-lint-ignore no-await-in-loop -- one pairing after the other
    await using server = await EnrolmentServer.start(mintQrCode());
    const pairing = host.client().pairByToken(server.token(), NEVER);
    const refused = assert.rejects(pairing, (thrown: PalyraError) => {
      assert.equal(thrown.code, code);
      assert.ok(thrown.message.includes(reason));
      return true;
    });
    // deno-lint-ignore no-await-in-loop -- one pairing after the other
    await server.untilWatched();
    server.decide(decision, reason);
    // deno-lint-ignore no-await-in-loop -- one pairing after the other
    await refused;
    // deno-lint-ignore no-await-in-loop -- one pairing after the other
    assert.deepEqual(await host.secrets(), [SECRET_NAMES.deviceIdentity]);
    // deno-lint-ignore no-await-in-loop -- one pairing after the other
    await assert.rejects(host.client().resume(NEVER), withCode("pairing_not_found"));
  }
});

Deno.test("PairingClient.resume() forgets a request that the daemon does not know any more", async () => {
  await using host = await makeHost();
  await using server = await EnrolmentServer.start(mintQrCode());
  const stop = new AbortController();
  const waiting = host.client().pairByToken(server.token(), stop.signal);
  await server.untilWatched();
  stop.abort();
  await assert.rejects(waiting, withCode("cancelled"));
  server.forget();
  await assert.rejects(host.client().resume(NEVER), withCode("pairing_not_found"));
  assert.deepEqual(await host.secrets(), [SECRET_NAMES.deviceIdentity]);
});

Deno.test("PairingClient.resume() does not ask a daemon with another CA, and keeps the request", async () => {
  await using host = await makeHost();
  await using server = await EnrolmentServer.start(mintQrCode());
  const stop = new AbortController();
  const waiting = host.client().pairByToken(server.token(), stop.signal);
  await server.untilWatched();
  stop.abort();
  await assert.rejects(waiting, withCode("cancelled"));
  const { port } = server;
  await server.stop();
  await using impostor = await EnrolmentServer.start(mintQrCode());
  await impostor.stop();
  await impostor.listen(port);
  await assert.rejects(host.client().resume(NEVER), withCode("daemon_untrusted"));
  assert.equal(impostor.watches, 0);
  assert.deepEqual(await host.secrets(), PENDING_SECRETS);
});

Deno.test("PairingClient refuses a paired host unless forced, and then keeps its device id", async () => {
  await using host = await makeHost();
  await using server = await EnrolmentServer.start(mintQrCode());
  server.behaviour.approve = true;
  const first = await host.client().pairByToken(server.token(), NEVER);
  const { certificatePem } = await host.state.credentials();
  await assert.rejects(host.client().pairByToken(server.token(), NEVER), withCode("device_already_paired"));
  await assert.rejects(host.client().pairByPin(server.endpoint, "000000", NEVER), withCode("device_already_paired"));
  await assert.rejects(host.client().resume(NEVER), withCode("device_already_paired"));
  assert.equal(server.begins, 1);
  const second = await host.client({ force: true }).pairByToken(server.token(), NEVER);
  assert.equal(second.deviceId, first.deviceId);
  assert.equal(second.installedAt, first.installedAt);
  assert.notEqual((await host.state.credentials()).certificatePem, certificatePem);
});

Deno.test("PairingClient refuses a token that makes something else than a node", async () => {
  await using host = await makeHost();
  await using server = await EnrolmentServer.start(mintQrCode());
  const token = server.token({ clientKind: "cli" });
  await assert.rejects(host.client().pairByToken(token, NEVER), withCode("invalid_pairing_token"));
  assert.equal(server.begins, 0);
});
