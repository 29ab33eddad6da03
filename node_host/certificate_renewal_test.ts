import assert from "node:assert/strict";
import { join } from "node:path";
import { CertificateAuthority } from "../identity/certificate_authority.ts";
import { parseCertificateFacts } from "../identity/certificate_facts.ts";
import { newDeviceId } from "../identity/device_id.ts";
import { parseEndpoint } from "../identity/endpoint.ts";
import { PalyraError } from "../identity/palyra_error.ts";
import { TlsKey } from "../identity/tls_key.ts";
import { type Clock, systemClock, unixMs } from "../identity/unix_ms.ts";
import { GrpcDialer } from "../transport/grpc/grpc_dialer.ts";
import { ReconnectBackoff } from "../transport/program/reconnect_backoff.ts";
import { CertificateRenewal } from "./certificate_renewal.ts";
import type { RenewalFailure } from "./connection_status.ts";
import { nodeEvent } from "./node_message.ts";
import { NodeHostState } from "./node_host_state.ts";
import { SECRET_NAMES, SECRETS_FOLDER } from "./node_secrets.ts";
import { NodeListener } from "./testing/node_listener.ts";
import { pairState } from "./testing/paired_state.ts";
import type { RotationAnswer } from "./testing/scripted_issuer.ts";
import { TestFolder } from "./testing/test_folder.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;

const fingerprintIn = (pem: string) => parseCertificateFacts(pem).fingerprint;

/** A paired state, a real node RPC listener, and a renewal that runs until the end of the test. */
class Fixture implements AsyncDisposable {
  readonly state: NodeHostState;
  readonly listener: NodeListener;
  readonly renewal: CertificateRenewal;
  /** What each try came to: why it failed, or undefined. */
  readonly tries: (RenewalFailure | undefined)[] = [];
  reconnects = 0;
  /** Called in the turn in which a try ends. */
  onTry: (() => void) | undefined;
  readonly #folder: TestFolder;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  #tried = Promise.withResolvers<void>();

  private constructor(
    folder: TestFolder,
    state: NodeHostState,
    listener: NodeListener,
    parts: Pick<ConstructorParameters<typeof CertificateRenewal>[0], "record" | "credentials" | "clock">,
  ) {
    this.#folder = folder;
    this.state = state;
    this.listener = listener;
    this.renewal = new CertificateRenewal({
      ...parts,
      state,
      reconnect: () => this.reconnects += 1,
      onChange: () => {
        this.tries.push(this.renewal.failure);
        this.onTry?.();
        this.#tried.resolve();
        this.#tried = Promise.withResolvers();
      },
      backoff: new ReconnectBackoff({ baseMs: 1, maxMs: 1 }),
    });
    this.#running = this.renewal.run(this.#stop.signal);
  }

  /** The certificate was issued `ageMs` ago and is valid for a day in all; what is issued from here on is fresh. */
  static async start(ageMs: number, clock: Clock = systemClock): Promise<Fixture> {
    let caClock: Clock = () => unixMs(Date.now() - ageMs);
    const ca = await CertificateAuthority.create({ clock: () => caClock() });
    const folder = await TestFolder.create();
    const state = await NodeHostState.open(folder.path);
    await pairState(state, ca, DAY_MS);
    caClock = clock;
    const listener = await NodeListener.start(ca);
    const record = await state.record();
    assert.ok(record);
    await state.writeRecord({ ...record, nodeEndpoints: [listener.endpoint] });
    return new Fixture(folder, state, listener, {
      record: { ...record, nodeEndpoints: [listener.endpoint] },
      credentials: await state.credentials(),
      clock,
    });
  }

  get folder(): string {
    return this.#folder.path;
  }

  /** Resolves once there were this many tries. */
  async untilTried(times: number): Promise<void> {
    // deno-lint-ignore no-await-in-loop -- waits for one try after the other
    while (this.tries.length < times) await this.#tried.promise;
  }

  async untilRenewed(): Promise<void> {
    // deno-lint-ignore no-await-in-loop -- waits for one try after the other
    while (this.tries.length === 0 || this.renewal.failure !== undefined) await this.#tried.promise;
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await this.listener[Symbol.asyncDispose]();
    this.state[Symbol.dispose]();
    await this.#folder[Symbol.asyncDispose]();
  }
}

Deno.test("CertificateRenewal renews on a live session and leaves it alone; later dials show the new certificate", async () => {
  await using fixture = await Fixture.start(20 * HOUR_MS);
  const { renewal, listener, state } = fixture;
  const dialer = new GrpcDialer({
    endpoint: parseEndpoint(listener.endpoint),
    material: () => renewal.dialMaterial(),
  });
  const earlier = renewal.credentials;
  const never = new AbortController().signal;
  const session = await dialer.dial(never);
  const daemon = await listener.nextSession();
  renewal.connectionChanged(true);
  await fixture.untilRenewed();

  const renewed = renewal.credentials;
  const [rotation] = listener.issuer.rotations;
  assert.equal(rotation?.caller, fingerprintIn(earlier.certificatePem));
  assert.equal(rotation.deviceId, earlier.identity.deviceId);
  assert.ok(renewed.expiresAt > earlier.expiresAt);
  assert.notEqual(renewed.tlsKeyPem, earlier.tlsKeyPem);
  assert.equal(renewal.dialledExpiresAt, earlier.expiresAt);
  const stored = await state.credentials();
  assert.equal(stored.certificatePem, renewed.certificatePem);
  assert.equal(stored.tlsKeyPem, renewed.tlsKeyPem);

  session.send(nodeEvent(earlier.identity.deviceId, { $case: "draining", value: {} }));
  await daemon.take("draining");
  assert.equal(fixture.reconnects, 0);
  assert.equal(listener.issuer.rotations.length, 1);

  const beside = await dialer.dial(never);
  assert.equal((await listener.nextSession()).session.peer.fingerprint, fingerprintIn(renewed.certificatePem));
  assert.equal(renewal.dialledExpiresAt, earlier.expiresAt);
  beside.close("cancelled", "");

  renewal.connectionChanged(false);
  const next = await dialer.dial(never);
  const second = await listener.nextSession();
  assert.equal(second.session.peer.fingerprint, fingerprintIn(renewed.certificatePem));
  assert.equal(renewal.dialledExpiresAt, renewed.expiresAt);
  session.close("shutting_down", "");
  next.close("shutting_down", "");
  await Promise.all([session.closed, beside.closed, next.closed]);
});

Deno.test("CertificateRenewal refuses a certificate that was not asked for and keeps the old pair, then tries again", async () => {
  await using fixture = await Fixture.start(20 * HOUR_MS);
  const { renewal, listener, state } = fixture;
  const { issuer } = listener;
  const stranger = await CertificateAuthority.create({ clock: systemClock });
  const bad: readonly [string, RotationAnswer, PalyraError["code"]][] = [
    [
      "for another key",
      async (rotation) => issuer.issue({ ...rotation, publicKey: (await TlsKey.generate()).publicKey }),
      "daemon_untrusted",
    ],
    ["for another device", (rotation) => issuer.issue({ ...rotation, deviceId: newDeviceId() }), "daemon_untrusted"],
    ["of another CA", (rotation) => issuer.issue(rotation, { ca: stranger }), "daemon_untrusted"],
    ["that is none", () => Promise.resolve(""), "daemon_untrusted"],
    ["that it denies", () => Promise.reject(new PalyraError("rate_limited", "There are 8 already.")), "rate_limited"],
  ];
  const seen: unknown[] = [];
  for (const [, answer] of bad) {
    issuer.answers.push(async (rotation) => {
      // What is on the disk while the daemon is being asked is what the earlier answers left there.
      const stored = await state.credentials();
      seen.push(stored.certificatePem === renewal.credentials.certificatePem && stored.tlsKeyPem === earlier.tlsKeyPem);
      return await answer(rotation);
    });
  }
  const earlier = renewal.credentials;
  renewal.connectionChanged(true);
  await fixture.untilRenewed();
  assert.deepEqual(fixture.tries.map((failure) => failure?.code), [...bad.map(([, , code]) => code), undefined]);
  assert.deepEqual(seen, bad.map(() => true));
  for (const failure of fixture.tries.slice(0, 4)) assert.match(failure?.message ?? "", /the one in use stays/);
  assert.notEqual(renewal.credentials.certificatePem, earlier.certificatePem);
  assert.equal((await state.credentials()).certificatePem, renewal.credentials.certificatePem);
});

Deno.test("CertificateRenewal waits for the moment and for a session, and looks again when one stands", async () => {
  let now = unixMs(Date.now());
  await using fixture = await Fixture.start(0, () => now);
  const { renewal, listener } = fixture;
  const { renewsAt, expiresAt } = renewal.credentials;
  const look = async () => {
    renewal.connectionChanged(false);
    renewal.connectionChanged(true);
    // A try would make its key before this one is made.
    await TlsKey.generate();
    renewal.connectionChanged(false);
  };
  await look();
  now = unixMs(renewsAt - 1);
  await look();
  now = unixMs(expiresAt + 1);
  await look();
  now = renewsAt;
  assert.equal(listener.issuer.rotations.length, 0);
  renewal.connectionChanged(true);
  await fixture.untilRenewed();
  assert.equal(listener.issuer.rotations.length, 1);
  assert.deepEqual(fixture.tries, [undefined]);
});

Deno.test("CertificateRenewal has the session opened again when its certificate has less than a minute left", async () => {
  await using fixture = await Fixture.start(DAY_MS - 50_000);
  const { renewal, listener } = fixture;
  renewal.connectionChanged(true);
  await fixture.untilRenewed();
  // What the supervisor says once the other session stands.
  renewal.dialMaterial();
  renewal.connectionChanged(true);
  assert.equal(fixture.reconnects, 1);
  assert.equal(listener.issuer.rotations.length, 1);
});

Deno.test("CertificateRenewal stores what was issued once the disk takes it, without asking again", async () => {
  await using fixture = await Fixture.start(20 * HOUR_MS);
  const { renewal, listener, state } = fixture;
  const obstacle = join(fixture.folder, SECRETS_FOLDER, SECRET_NAMES.nextKeyPair);
  const earlier = renewal.credentials;
  await Deno.mkdir(obstacle);
  renewal.connectionChanged(true);
  await fixture.untilTried(2);
  assert.equal(renewal.credentials, earlier);
  assert.ok(renewal.failure);
  await Deno.remove(obstacle);
  await fixture.untilRenewed();
  assert.equal(listener.issuer.rotations.length, 1);
  assert.equal((await state.credentials()).certificatePem, renewal.credentials.certificatePem);
});

Deno.test("CertificateRenewal does not store a certificate that has expired meanwhile", async () => {
  let now = systemClock();
  await using fixture = await Fixture.start(20 * HOUR_MS, () => now);
  const { renewal, listener } = fixture;
  const { issuer } = listener;
  const obstacle = join(fixture.folder, SECRETS_FOLDER, SECRET_NAMES.nextKeyPair);
  await Deno.mkdir(obstacle);
  issuer.answers.push((rotation) => issuer.issue(rotation, { validityMs: HOUR_MS }));
  fixture.onTry = () => {
    if (fixture.tries.length === 1) now = unixMs(now + 2 * HOUR_MS);
  };
  renewal.connectionChanged(true);
  await fixture.untilTried(2);
  await Deno.remove(obstacle);
  await fixture.untilRenewed();
  assert.equal(issuer.rotations.length, 2);
  assert.ok(renewal.credentials.expiresAt > now);
});

Deno.test("CertificateRenewal.renewNow() renews although it is not due, and has the session opened again at once", async () => {
  await using fixture = await Fixture.start(HOUR_MS);
  const { renewal, listener } = fixture;
  const earlier = renewal.credentials;
  listener.issuer.answers.push(() => Promise.reject(new PalyraError("rate_limited", "Later.")));
  renewal.renewNow("The owner asked.");
  assert.equal(listener.issuer.rotations.length, 0, "no session stands");
  renewal.dialMaterial();
  renewal.connectionChanged(true);
  await fixture.untilRenewed();
  assert.equal(listener.issuer.rotations.length, 2, "the first try failed");
  assert.notEqual(renewal.credentials.certificatePem, earlier.certificatePem);
  // What the supervisor says once the other session stands.
  renewal.dialMaterial();
  renewal.connectionChanged(true);
  assert.equal(fixture.reconnects, 1);
  await fixture.stop();
  assert.equal(listener.issuer.rotations.length, 2, "it was asked for once");
});

Deno.test("CertificateRenewal ends with its signal, also in the middle of a call", async () => {
  await using fixture = await Fixture.start(20 * HOUR_MS);
  const asked = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<string>();
  fixture.listener.issuer.answers.push(() => {
    asked.resolve();
    return answer.promise;
  });
  fixture.renewal.connectionChanged(true);
  await asked.promise;
  await fixture.stop();
  assert.deepEqual(fixture.tries, []);
  answer.resolve("");
});

Deno.test("CertificateRenewal.adopt() trusts other CAs on the disk and from the next dial on, and keeps them through renewals", async () => {
  await using fixture = await Fixture.start(HOUR_MS);
  const { renewal, state } = fixture;
  const { certificatePem, trustedCaPem } = renewal.credentials;
  const next = await CertificateAuthority.create({ clock: systemClock });
  const bundle = trustedCaPem + next.certificatePem;
  const fingerprints = [fingerprintIn(trustedCaPem), next.fingerprint];
  assert.deepEqual(renewal.authorities, fingerprints.slice(0, 1));
  assert.deepEqual(await renewal.adopt(bundle), fingerprints);
  assert.deepEqual(await renewal.adopt(bundle), fingerprints, "a second time changes nothing");
  assert.deepEqual(renewal.authorities, fingerprints);
  assert.deepEqual(renewal.dialMaterial().caPem, [bundle]);
  assert.deepEqual((await state.credentials()).trustedCaPem, bundle);
  assert.equal(renewal.credentials.certificatePem, certificatePem, "it is the same certificate");

  const stranger = await CertificateAuthority.create({ clock: systemClock });
  await assert.rejects(
    renewal.adopt(stranger.certificatePem),
    (error) => error instanceof PalyraError && error.code === "daemon_untrusted",
  );
  assert.deepEqual(renewal.dialMaterial().caPem, [bundle]);

  // Both at once: neither undoes the other.
  renewal.connectionChanged(true);
  renewal.renewNow("The test asks.");
  await Promise.all([renewal.adopt(next.certificatePem + trustedCaPem), fixture.untilRenewed()]);
  const stored = await state.credentials();
  assert.notEqual(stored.certificatePem, certificatePem);
  assert.equal(stored.trustedCaPem, next.certificatePem + trustedCaPem);
  assert.deepEqual(renewal.authorities, fingerprints.toReversed());
  assert.equal((await state.record())?.caFingerprint, next.fingerprint, "what status shows");
});

Deno.test("CertificateRenewal.adopt() rejects and trusts what it did when the disk does not take the new CAs", async () => {
  await using fixture = await Fixture.start(HOUR_MS);
  const { renewal, folder } = fixture;
  const { trustedCaPem } = renewal.credentials;
  const next = await CertificateAuthority.create({ clock: systemClock });
  // A folder in its place cannot be replaced by a file.
  const path = join(folder, SECRETS_FOLDER, SECRET_NAMES.trustedCa);
  await Deno.remove(path);
  await Deno.mkdir(join(path, "in-the-way"), { recursive: true });
  await assert.rejects(renewal.adopt(trustedCaPem + next.certificatePem));
  assert.deepEqual(renewal.dialMaterial().caPem, [trustedCaPem]);
  await Deno.remove(path, { recursive: true });
  assert.equal((await renewal.adopt(trustedCaPem + next.certificatePem)).length, 2);
});
