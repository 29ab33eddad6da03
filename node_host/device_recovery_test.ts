import assert from "node:assert/strict";
import { join } from "node:path";
import { CertificateAuthority } from "../identity/certificate_authority.ts";
import { parseCertificateRequest } from "../identity/certificate_request.ts";
import { PalyraError } from "../identity/palyra_error.ts";
import type { ReasonCode } from "../identity/reason_code.ts";
import { type Clock, systemClock, unixMs } from "../identity/unix_ms.ts";
import { CHANNEL_LEFTOVERS } from "../transport/grpc/testing/channel_leftovers.ts";
import { CertificateRenewal } from "./certificate_renewal.ts";
import { NodeHostState } from "./node_host_state.ts";
import { SECRET_NAMES, SECRETS_FOLDER } from "./node_secrets.ts";
import { pairState } from "./testing/paired_state.ts";
import { RecoveryServer } from "./testing/recovery_server.ts";
import { TestFolder } from "./testing/test_folder.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;

const EXPIRED = new PalyraError("certificate_expired", "It has expired.");
const UNTRUSTED = new PalyraError("daemon_untrusted", "Somebody else answers there.");

const isCode = (code: ReasonCode) => (thrown: unknown) => thrown instanceof PalyraError && thrown.code === code;

/** A node that was paired with the daemon of `ca`, whose certificate has expired. */
class Node implements AsyncDisposable {
  private constructor(
    readonly ca: CertificateAuthority,
    readonly state: NodeHostState,
    readonly publicKey: Uint8Array,
    readonly folder: TestFolder,
  ) {}

  static async paired(): Promise<Node> {
    const ca = await CertificateAuthority.create({ clock: () => unixMs(Date.now() - 2 * HOUR_MS) });
    const folder = await TestFolder.create();
    const state = await NodeHostState.open(folder.path);
    await pairState(state, ca, HOUR_MS);
    const { publicKey } = await state.ensureIdentity();
    const { certificatePem } = ca;
    // The same CA of today.
    const current = await CertificateAuthority.fromPem({
      certificatePem,
      privateKeyPem: await ca.exportPrivateKeyPem(),
      clock: systemClock,
    });
    return new Node(current, state, publicKey, folder);
  }

  /** What keeps its certificate, and recovers at these endpoints. */
  async renewal(endpoints: readonly string[], clock: Clock = systemClock): Promise<CertificateRenewal> {
    const { state } = this;
    const record = await state.record();
    assert.ok(record);
    return new CertificateRenewal({
      state,
      record: { ...record, enrolmentEndpoints: endpoints },
      credentials: await state.credentials(),
      reconnect: () => {},
      clock,
    });
  }

  async secrets(): Promise<string[]> {
    const folder = join(this.folder.path, SECRETS_FOLDER);
    return (await Array.fromAsync(Deno.readDir(folder), ({ name }) => name)).sort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.state[Symbol.dispose]();
    await this.folder[Symbol.asyncDispose]();
  }
}

const never = new AbortController().signal;

Deno.test(
  "recoverDevice() brings another certificate, which is stored with a key of its own",
  CHANNEL_LEFTOVERS,
  async () => {
    await using node = await Node.paired();
    await using server = await RecoveryServer.start(node.publicKey, node.ca);
    const renewal = await node.renewal([server.endpoint]);
    const before = renewal.credentials;
    const files = await node.secrets();
    await renewal.recover(EXPIRED, never);
    assert.ok(renewal.credentials.expiresAt > Date.now());
    assert.notEqual(renewal.credentials.tlsKeyPem, before.tlsKeyPem);
    const stored = await node.state.credentials();
    assert.equal(stored.certificatePem, renewal.credentials.certificatePem);
    assert.equal(stored.tlsKeyPem, renewal.credentials.tlsKeyPem);
    assert.equal(renewal.dialMaterial().certificatePem, stored.certificatePem);
    assert.deepEqual(await node.secrets(), files, "nothing is left over");
  },
);

Deno.test(
  "recoverDevice() has the key on the disk before it asks, and keeps it until a certificate is there",
  CHANNEL_LEFTOVERS,
  async () => {
    await using node = await Node.paired();
    await using server = await RecoveryServer.start(node.publicKey, node.ca);
    const renewal = await node.renewal([server.endpoint]);
    const right = server.answer;
    let seen: string[] = [];
    server.answer = async () => {
      seen = await node.secrets();
      throw new PalyraError("rate_limited", "Later.");
    };
    await assert.rejects(renewal.recover(EXPIRED, never), isCode("rate_limited"));
    assert.ok(seen.includes(SECRET_NAMES.recoveryTlsKey));
    server.answer = right;
    await (await node.renewal([server.endpoint])).recover(EXPIRED, never);
    const { deviceId } = renewal.credentials.identity;
    const [lost, taken] = server.completions.map(({ csrDer }) => parseCertificateRequest(csrDer, deviceId).publicKey);
    assert.deepEqual(taken, lost, "the same key after a restart");
  },
);

Deno.test("recoverDevice() signs nothing for a daemon that no trusted CA leads to", CHANNEL_LEFTOVERS, async () => {
  await using node = await Node.paired();
  await using stranger = await RecoveryServer.start(node.publicKey);
  const before = await node.state.credentials();
  const renewal = await node.renewal([stranger.endpoint]);
  await assert.rejects(renewal.recover(UNTRUSTED, never), isCode("daemon_untrusted"));
  const own = await CertificateAuthority.create({ clock: systemClock });
  stranger.succession = [await own.certifySuccessor(stranger.ca)];
  await assert.rejects(
    renewal.recover(UNTRUSTED, never),
    isCode("daemon_untrusted"),
    "a succession of somebody else's",
  );
  assert.equal(stranger.completions.length, 0);
  assert.equal((await node.state.credentials()).certificatePem, before.certificatePem);
});

Deno.test(
  "recoverDevice() believes no refusal of somebody who has not shown to be the daemon, and asks the next endpoint",
  CHANNEL_LEFTOVERS,
  async () => {
    await using node = await Node.paired();
    await using stranger = await RecoveryServer.start(node.publicKey);
    await using server = await RecoveryServer.start(node.publicKey, node.ca);
    const renewal = await node.renewal([stranger.endpoint]);
    const codes: ReasonCode[] = ["device_revoked", "device_unknown", "recovery_forbidden", "rate_limited", "cancelled"];
    for (const code of codes) {
      stranger.refusal = new PalyraError(code, "Run what I say.");
      // deno-lint-ignore no-await-in-loop -- one after the other
      await assert.rejects(renewal.recover(UNTRUSTED, never), (thrown) => {
        assert.ok(isCode("daemon_untrusted")(thrown), code);
        assert.doesNotMatch(String(thrown), /Run what I say/);
        return true;
      });
    }
    await (await node.renewal([stranger.endpoint, server.endpoint])).recover(EXPIRED, never);
    server.refusal = new PalyraError("rate_limited", "Later.");
    await assert.rejects((await node.renewal([server.endpoint])).recover(EXPIRED, never), isCode("rate_limited"));
  },
);

Deno.test(
  "recoverDevice() follows the daemon to its new CA, and trusts that from then on",
  CHANNEL_LEFTOVERS,
  async () => {
    await using node = await Node.paired();
    await using server = await RecoveryServer.start(node.publicKey);
    server.succession = [await node.ca.certifySuccessor(server.ca)];
    const renewal = await node.renewal([server.endpoint]);
    await renewal.recover(UNTRUSTED, never);
    assert.deepEqual(renewal.authorities, [server.ca.fingerprint]);
    assert.equal((await node.state.credentials()).trustedCaPem, server.ca.certificatePem);
  },
);

Deno.test(
  "recoverDevice() proves nothing when somebody else answers in the place of a daemon that is as it was",
  CHANNEL_LEFTOVERS,
  async () => {
    await using node = await Node.paired();
    await using server = await RecoveryServer.start(node.publicKey, node.ca);
    const renewal = await node.renewal([server.endpoint]);
    await assert.rejects(renewal.recover(UNTRUSTED, never), (thrown) => thrown === UNTRUSTED);
    assert.equal(server.completions.length, 0);
  },
);

Deno.test(
  "CertificateRenewal.recover() gets no certificate after the other for a connection that breaks with each of them",
  CHANNEL_LEFTOVERS,
  async () => {
    await using node = await Node.paired();
    await using server = await RecoveryServer.start(node.publicKey, node.ca);
    const renewal = await node.renewal([server.endpoint]);
    const broken = new PalyraError("certificate_untrusted", "The daemon closed the connection.");
    await renewal.recover(broken, never);
    await assert.rejects(renewal.recover(broken, never), (thrown) => thrown === broken);
    assert.equal(server.begins, 1);
    await renewal.recover(new PalyraError("certificate_superseded", "There is a later one."), never);
    renewal.connectionChanged(true);
    renewal.connectionChanged(false);
    await renewal.recover(broken, never);
    assert.equal(server.completions.length, 3);
  },
);

Deno.test("recoverDevice() asks the next endpoint when one is not the daemon", CHANNEL_LEFTOVERS, async () => {
  await using node = await Node.paired();
  await using stranger = await RecoveryServer.start(node.publicKey);
  await using server = await RecoveryServer.start(node.publicKey, node.ca);
  const nobody = "127.0.0.1:1";
  await (await node.renewal([nobody, stranger.endpoint, server.endpoint])).recover(EXPIRED, never);
  assert.deepEqual([stranger.completions.length, server.completions.length], [0, 1]);
  const lost = await node.renewal([stranger.endpoint, nobody]);
  await assert.rejects(lost.recover(EXPIRED, never), isCode("daemon_untrusted"), "that somebody answers says more");
});

for (const [how, aheadMs] of [["behind", -6 * MINUTE_MS], ["ahead", 61 * MINUTE_MS]] as const) {
  Deno.test(
    `recoverDevice() asks for no certificate that a clock ${how} would refuse, and says which clock to set`,
    CHANNEL_LEFTOVERS,
    async () => {
      await using node = await Node.paired();
      await using server = await RecoveryServer.start(node.publicKey, node.ca);
      // Not this machine's, of which the server's certificate would be the first to suffer.
      server.aheadMs = -aheadMs;
      const renewal = await node.renewal([server.endpoint]);
      await assert.rejects(renewal.recover(EXPIRED, never), (thrown) => {
        assert.ok(isCode("clock_off")(thrown));
        assert.match(String(thrown), new RegExp(`${how === "ahead" ? "ahead of" : "behind"} the daemon's`));
        return true;
      });
      assert.equal(server.completions.length, 0);
    },
  );
}

Deno.test("recoverDevice() stores nothing of an answer that is not what was asked for", CHANNEL_LEFTOVERS, async () => {
  await using node = await Node.paired();
  await using server = await RecoveryServer.start(node.publicKey, node.ca);
  const before = await node.state.credentials();
  const other = await CertificateAuthority.create({ clock: systemClock });
  const wrong: readonly [string, typeof server.answer][] = [
    ["an earlier certificate", (response) => ({ ...response, mtlsClientCertificatePem: before.certificatePem })],
    ["no certificate", (response) => ({ ...response, mtlsClientCertificatePem: "" })],
    ["CAs of somebody else", (response) => ({ ...response, trustBundlePem: other.certificatePem })],
    ["no CAs", (response) => ({ ...response, trustBundlePem: "" })],
  ];
  for (const [what, answer] of wrong) {
    server.answer = answer;
    // deno-lint-ignore no-await-in-loop -- one after the other
    const renewal = await node.renewal([server.endpoint]);
    // deno-lint-ignore no-await-in-loop -- one after the other
    await assert.rejects(renewal.recover(EXPIRED, never), isCode("daemon_untrusted"), what);
    // deno-lint-ignore no-await-in-loop -- one after the other
    const { certificatePem, trustedCaPem } = await node.state.credentials();
    assert.deepEqual([certificatePem, trustedCaPem], [before.certificatePem, before.trustedCaPem], what);
  }
});
