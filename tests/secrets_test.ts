import assert from "node:assert/strict";
import { join } from "node:path";
import { CertificateIssuer } from "../daemon/certificate_issuer.ts";
import { DeviceRecoveryDesk } from "../daemon/device_recovery_desk.ts";
import { DeviceRecoveryFace } from "../daemon/device_recovery_face.ts";
import { DeviceRegistry } from "../daemon/device_registry.ts";
import { EnrolmentFace } from "../daemon/enrolment_face.ts";
import { addEnrolmentServices } from "../daemon/grpc_services.ts";
import { PairingDesk } from "../daemon/pairing_desk.ts";
import { SqliteStore } from "../daemon/store/sqlite/sqlite_store.ts";
import { IdentityManager } from "../identity/identity_manager.ts";
import { pemToDer } from "../identity/pem.ts";
import { parseQrToken } from "../identity/qr_token.ts";
import { SecretStore } from "../identity/secret_store.ts";
import { TlsKey } from "../identity/tls_key.ts";
import { systemClock } from "../identity/unix_ms.ts";
import { GrpcListener } from "../transport/grpc/grpc_listener.ts";
import { HealthState } from "../transport/grpc/health_service.ts";
import { Fleet } from "./harness/fleet.ts";
import { runProgram } from "./harness/program.ts";
import { TlsRelay } from "./harness/tls_relay.ts";

/** Something that must not be seen, in every form in which it could be written. */
interface Secret {
  readonly name: string;
  readonly forms: readonly string[];
}

const latin1 = new TextDecoder("latin1");

function textSecret(name: string, text: string): Secret {
  return { name, forms: [text] };
}

function byteSecret(name: string, bytes: Uint8Array): Secret {
  const url = { alphabet: "base64url", omitPadding: true } as const;
  return {
    name,
    forms: [latin1.decode(bytes), bytes.toHex(), bytes.toHex().toUpperCase(), bytes.toBase64(), bytes.toBase64(url)],
  };
}

/** A P-256 key: its PKCS#8 form and its bare scalar. */
async function keySecrets(name: string, pem: string): Promise<Secret[]> {
  const { keys } = await TlsKey.fromPem(pem);
  const { d = "" } = await crypto.subtle.exportKey("jwk", keys.privateKey);
  return [
    byteSecret(`${name} (PKCS#8)`, pemToDer(pem, "PRIVATE KEY")),
    byteSecret(`${name} (scalar)`, Uint8Array.fromBase64(d, { alphabet: "base64url" })),
  ];
}

/** What must not be seen of a node's own. */
async function nodeSecrets(folder: string): Promise<Secret[]> {
  const read = (file: string) => Deno.readTextFile(join(folder, "node-host", "secrets", file));
  const identity: Record<string, unknown> = JSON.parse(await read("device-identity.json"));
  const texts = Object.entries(identity).filter(([name]) => /private|secret|seed|signing/.test(name));
  assert.ok(texts.length > 0, `the device identity holds a private part: ${Object.keys(identity)}`);
  return [
    ...await keySecrets("the node's TLS key", await read("tls-key.pem")),
    ...texts.map(([name, value]) =>
      byteSecret(`device identity ${name}`, Uint8Array.fromBase64(String(value), { alphabet: "base64url" }))
    ),
  ];
}

function assertAbsent(where: string, text: string, secrets: readonly Secret[]): void {
  assert.ok(text.length > 0, `${where} is not empty`);
  for (const { name, forms } of secrets) {
    for (const form of forms) assert.ok(!text.includes(form), `${name} stands in ${where}`);
  }
}

Deno.test("no private key, code or PIN crosses the wire in a pairing, recorded in clear in both directions", async () => {
  const folder = await Deno.makeTempDir({ prefix: "palyra-" });
  const secrets = await SecretStore.open(join(folder, "secrets"));
  const identity = await IdentityManager.open({ secrets, clock: systemClock, trustDomain: "palyra" });
  const store = SqliteStore.open(join(folder, "palyrad.sqlite"));
  const devices = await DeviceRegistry.load(store, identity.revocations, systemClock);
  // The relay shows the listener's own certificate, so nothing is amiss and all of the pairing passes through it.
  const server = await identity.issueServerCertificate({ names: [], addresses: [], validityMs: 3_600_000 });
  const certificatePem = `${server.certificatePem}${identity.ca.certificatePem}`;
  const parts = { store, identity, devices, clock: systemClock, certificateValidityMs: 3_600_000 };
  const serverCertificateFingerprint = () => server.fingerprint;
  const desk = new PairingDesk({ ...parts, serverCertificateFingerprint });
  const enrolment = new EnrolmentFace({
    desk,
    caCertificatePem: () => identity.ca.certificatePem,
    nodeEndpoints: () => ["127.0.0.1:7444"],
    clock: systemClock,
  });
  const recovery = new DeviceRecoveryFace({
    desk: new DeviceRecoveryDesk({
      ...parts,
      serverCertificateFingerprint,
      issuer: new CertificateIssuer(parts),
      allowed: true,
      sessionAddress: () => undefined,
      lastSessionAddress: () => undefined,
    }),
    trustBundlePem: () => identity.trustBundlePem,
    succession: () => identity.succession,
    nodeEndpoints: () => [],
  });
  const listener = await GrpcListener.start({
    hostname: "127.0.0.1",
    port: 0,
    mode: { kind: "server-only" },
    tls: { certificatePem, keyPem: server.privateKeyPem, clientCaPem: [] },
    services: (grpcServer) => addEnrolmentServices(grpcServer, enrolment, recovery, new HealthState()),
    onRefused: () => {},
  });
  try {
    const pairThroughRelay = async (method: "qr" | "pin") => {
      await using relay = await TlsRelay.start(
        { host: "127.0.0.1", port: listener.address.port },
        { certificatePem, keyPem: server.privateKeyPem },
      );
      const { secretText } = await desk.mint({
        method,
        clientKind: "node",
        ttlMs: undefined,
        approve: true,
        issuedBy: "operator",
        endpoints: [relay.address],
      });
      const stateRoot = join(folder, method);
      const pair = method === "qr"
        ? runProgram("palyra-node", ["pair", secretText], { stateRoot })
        : runProgram("palyra-node", ["pair", "--daemon", relay.address], { stateRoot, input: `${secretText}\n` });
      const { code, stderr } = await pair;
      assert.equal(code, 0, stderr);
      const hidden = [
        ...await nodeSecrets(stateRoot),
        ...await keySecrets("the CA's key", await identity.ca.exportPrivateKeyPem()),
        ...await keySecrets("the server's key", server.privateKeyPem),
        textSecret("the code", secretText),
        ...(method === "qr" ? [byteSecret("the QR secret", parseQrToken(secretText).secret)] : []),
      ];
      const { fromClient, fromServer } = relay.recording;
      assertAbsent(`what the ${method} device said`, latin1.decode(fromClient), hidden);
      assertAbsent(`what the daemon said to the ${method} device`, latin1.decode(fromServer), hidden);
      // The search would find something: the certificate passed in clear.
      const certificate = pemToDer(identity.ca.certificatePem, "CERTIFICATE").toBase64().slice(0, 40);
      assert.ok(latin1.decode(fromServer).includes(certificate), "the recording holds what did pass");
    };
    await pairThroughRelay("qr");
    await pairThroughRelay("pin");
  } finally {
    await listener.close({ graceMs: 0 });
    await store.close();
    await Deno.remove(folder, { recursive: true });
  }
});

async function* filesBelow(folder: string): AsyncGenerator<{ path: string; mode: number; isDirectory: boolean }> {
  for await (const entry of Deno.readDir(folder)) {
    const path = join(folder, entry.name);
    const { mode } = await Deno.lstat(path);
    yield { path, mode: (mode ?? 0) & 0o777, isDirectory: entry.isDirectory };
    if (entry.isDirectory) yield* filesBelow(path);
  }
}

Deno.test("no code, PIN, token or key of a run stands in a log, an error or a file that others may read", async () => {
  await using fleet = await Fleet.create();
  const trace = { PALYRA_LOG_LEVEL: "trace" };
  const { enrolment } = await fleet.startDaemon([], trace);
  const said: string[] = [];
  const hidden: Secret[] = [];

  const { secret_text: token } = await fleet.palyrad("pairing", "code", "--approve");
  hidden.push(textSecret("the token", token), byteSecret("the QR secret", parseQrToken(token).secret));
  const laptop = await fleet.node("laptop", ["pair", token, "--name", "laptop"], { env: trace });
  const twice = await fleet.node("thief", ["pair", token], { env: trace });
  assert.deepEqual([laptop.code, twice.code === 0], [0, false], laptop.stderr);

  const { secret_text: pin } = await fleet.palyrad("pairing", "code", "--pin", "--approve");
  hidden.push(textSecret("the PIN", pin));
  const wrong = pin === "111111" ? "222222" : "111111";
  const guessed = await fleet.node("thief", ["pair", "--daemon", enrolment], { input: `${wrong}\n`, env: trace });
  const server = await fleet.node("server", ["pair", "--daemon", enrolment], { input: `${pin}\n`, env: trace });
  assert.deepEqual([guessed.code, server.code], [3, 0], guessed.stderr + server.stderr);

  const host = await fleet.connect("laptop", []);
  const { nodes } = await fleet.palyrad("nodes", "list");
  await fleet.palyrad("nodes", "invoke", "laptop", "system.identity");
  await fleet.palyrad("devices", "revoke", nodes[0].device_id);
  await host.ended;
  const daemonSecrets = join(fleet.daemonRoot, "palyrad", "secrets");
  const keyOf = async (file: string) => await keySecrets(file, await Deno.readTextFile(join(daemonSecrets, file)));
  hidden.push(
    ...await nodeSecrets(fleet.nodeRoot("laptop")),
    ...await nodeSecrets(fleet.nodeRoot("server")),
    ...await keyOf("ca-key.pem"),
    ...await keyOf("operator-key.pem"),
  );

  said.push(fleet.daemon.output, host.output);
  for (const { stdout, stderr } of [laptop, twice, guessed, server]) said.push(stdout + stderr);
  assertAbsent("the output of the run", said.join("\n"), hidden);

  for (const root of [fleet.daemonRoot, fleet.nodeRoot("laptop"), fleet.nodeRoot("server")]) {
    let files = 0;
    for await (const { path, mode, isDirectory } of filesBelow(root)) {
      files++;
      assert.equal(mode & (isDirectory ? 0o077 : 0o177), 0, `${path} has mode ${mode.toString(8)}`);
    }
    assert.ok(files > 5, `${root} holds files`);
  }
});
