import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import * as tls from "node:tls";
import * as grpc from "@grpc/grpc-js";
import { PalyraError } from "../../identity/palyra_error.ts";
import type { ReasonCode } from "../../identity/reason_code.ts";
import { NODE_RPC_LIMITS } from "../transport_limits.ts";
import { materialOf } from "../testing/test_material.ts";
import { check, healthClient, startFront } from "./testing/front_fixture.ts";
import { connectRaw, replayTicket } from "./testing/raw_tls_client.ts";
import { type TestIdentity, TestPki } from "../testing/test_pki.ts";
import { type FrontMode, TlsFront } from "./tls_front.ts";

const ANYONE: FrontMode = { kind: "mutual", authorize: () => undefined };
const HOUR_MS = 3_600_000;

/** A TCP connection that never begins its handshake. */
async function silentSocket(port: number): Promise<net.Socket> {
  const socket = net.connect(port, "127.0.0.1");
  socket.on("error", () => {});
  socket.resume();
  await once(socket, "connect");
  return socket;
}

/** A connection that was let in and stays: the server has said something on HTTP/2. */
async function hold(port: number, identity?: TestIdentity): Promise<tls.TLSSocket> {
  const socket = tls.connect({
    ...{ host: "127.0.0.1", port, rejectUnauthorized: false, ALPNProtocols: ["h2"] },
    ...(identity === undefined ? {} : { cert: identity.certificatePem, key: identity.keyPem }),
  });
  socket.on("error", () => {});
  await once(socket, "data");
  return socket;
}

const REFUSED: { name: string; code: ReasonCode; identity(pki: TestPki): Promise<TestIdentity | undefined> }[] = [
  { name: "no certificate", code: "certificate_missing", identity: () => Promise.resolve(undefined) },
  {
    name: "a certificate of another CA with the same names",
    code: "certificate_untrusted",
    async identity() {
      await using foreign = await TestPki.create();
      return await foreign.issue("node", { usage: "clientAuth" });
    },
  },
  {
    name: "an expired certificate",
    code: "certificate_untrusted",
    identity: (pki) => pki.issue("node", { usage: "clientAuth", notAfter: new Date(Date.now() - HOUR_MS) }),
  },
  {
    name: "a certificate that is not yet valid",
    code: "certificate_untrusted",
    identity: (pki) => pki.issue("node", { usage: "clientAuth", notBefore: new Date(Date.now() + HOUR_MS) }),
  },
  {
    name: "a server certificate used as a client's",
    code: "certificate_untrusted",
    identity: (pki) => pki.issue("node", { usage: "serverAuth" }),
  },
];

Deno.test("TlsFront serves a client whose certificate is of its CA", async () => {
  await using pki = await TestPki.create();
  const seen: string[] = [];
  const mode: FrontMode = {
    kind: "mutual",
    authorize: (peer) => {
      seen.push(peer.fingerprint);
      return undefined;
    },
  };
  const node = await pki.issue("node", { usage: "clientAuth" });
  await using fixture = await startFront(mode, materialOf(pki, await pki.issue("d", { usage: "serverAuth" })));
  using client = healthClient(fixture.port, pki.ca, node);
  assert.equal(await check(client), undefined);
  assert.deepEqual(seen, [node.fingerprint]);
  assert.deepEqual(fixture.refusals, []);
});

for (const { name, code, identity } of REFUSED) {
  Deno.test(`TlsFront refuses a client with ${name} at the handshake`, async () => {
    await using pki = await TestPki.create();
    await using fixture = await startFront(ANYONE, materialOf(pki, await pki.issue("d", { usage: "serverAuth" })));
    const refusal = fixture.nextRefusal();
    const outcome = await connectRaw(fixture.port, await identity(pki));
    assert.equal(outcome.answered, false);
    assert.equal((await refusal).code, code);
    assert.match(fixture.refusals[0]?.remoteAddress ?? "", /^127\.0\.0\.1:\d+$/);
    assert.equal(fixture.refusals.length, 1);
  });
}

Deno.test("TlsFront refuses a TLS session that was saved on a port without client certificates", async () => {
  await using pki = await TestPki.create();
  const material = materialOf(pki, await pki.issue("d", { usage: "serverAuth" }));
  await using open = await startFront({ kind: "server-only" }, material);
  await using strict = await startFront(ANYONE, material);
  const refusal = strict.nextRefusal();
  assert.deepEqual(await replayTicket(open.port, strict.port), { reused: true, answered: false });
  assert.match((await refusal).message, /resumed/);
});

Deno.test("node:tls alone answers such a session, so TlsFront's check is needed", async () => {
  await using pki = await TestPki.create();
  const { certificatePem: cert, keyPem: key } = materialOf(pki, await pki.issue("d", { usage: "serverAuth" }));
  const base: tls.TlsOptions = { cert, key, ca: pki.ca.certificatePem, minVersion: "TLSv1.3", ALPNProtocols: ["h2"] };
  const answer = (socket: tls.TLSSocket) => {
    socket.on("error", () => {});
    socket.resume();
    socket.write("hello");
  };
  const open = tls.createServer(base, answer);
  const strict = tls.createServer({ ...base, requestCert: true, rejectUnauthorized: true }, answer);
  const listen = (server: tls.Server) => new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  await Promise.all([listen(open), listen(strict)]);
  const portOf = (server: tls.Server) => (server.address() as net.AddressInfo).port;
  const outcome = await replayTicket(portOf(open), portOf(strict));
  const closed = Promise.all([once(open, "close"), once(strict, "close")]);
  open.close();
  strict.close();
  await closed;
  assert.deepEqual(outcome, { reused: true, answered: true });
});

Deno.test("TlsFront tells a peer that authorize() refuses why, and ends the connection", async () => {
  await using pki = await TestPki.create();
  const refused = new PalyraError("device_revoked", "This device was revoked. Ask the operator; 100 % final – sorry.");
  const mode: FrontMode = { kind: "mutual", authorize: () => refused };
  await using fixture = await startFront(mode, materialOf(pki, await pki.issue("d", { usage: "serverAuth" })));
  using client = healthClient(fixture.port, pki.ca, await pki.issue("node", { usage: "clientAuth" }));
  const error = await check(client);
  assert.equal(error?.code, grpc.status.UNAUTHENTICATED);
  assert.equal(error?.details, refused.message);
  assert.deepEqual(error?.metadata.get("palyra-reason"), ["device_revoked"]);
  assert.deepEqual(fixture.refusals.map((refusal) => refusal.error), [refused]);
});

Deno.test("TlsFront refuses when authorize() fails itself", async () => {
  await using pki = await TestPki.create();
  const mode: FrontMode = {
    kind: "mutual",
    authorize: () => {
      throw new Error("the index is closed");
    },
  };
  await using fixture = await startFront(mode, materialOf(pki, await pki.issue("d", { usage: "serverAuth" })));
  using client = healthClient(fixture.port, pki.ca, await pki.issue("node", { usage: "clientAuth" }));
  const error = await check(client);
  assert.equal(error?.code, grpc.status.INTERNAL);
  assert.ok(!error.details.includes("index"));
});

Deno.test("TlsFront.closeConnections() drops the connections of one certificate and no others", async () => {
  await using pki = await TestPki.create();
  const [revoked, other] = [
    await pki.issue("a", { usage: "clientAuth" }),
    await pki.issue("b", { usage: "clientAuth" }),
  ];
  await using fixture = await startFront(ANYONE, materialOf(pki, await pki.issue("d", { usage: "serverAuth" })));
  const sockets = [
    await hold(fixture.port, revoked),
    await hold(fixture.port, revoked),
    await hold(fixture.port, other),
  ];
  const closed = Promise.all(sockets.slice(0, 2).map((socket) => once(socket, "close")));
  assert.equal(fixture.front.closeConnections(revoked.fingerprint), 2);
  await closed;
  assert.equal(fixture.front.closeConnections(revoked.fingerprint), 0);
  const [, , survivor] = sockets;
  assert.ok(survivor !== undefined && !survivor.destroyed);
  const local = `127.0.0.1:${survivor.localPort}`;
  assert.equal(fixture.front.dropConnection(local, revoked.fingerprint), 0);
  assert.equal(fixture.front.dropConnection("127.0.0.1:1", other.fingerprint), 0);
  const survivorClosed = once(survivor, "close");
  assert.equal(fixture.front.dropConnection(local, other.fingerprint), 1);
  await survivorClosed;
});

Deno.test("TlsFront lets in no more connections than it may, of one source and in all, and again below that", async () => {
  await using pki = await TestPki.create();
  const material = materialOf(pki, await pki.issue("d", { usage: "serverAuth" }));
  const source = { key: "192.0.2.1", local: false };
  await using fixture = await startFront({ kind: "server-only" }, material, {
    limits: { ...NODE_RPC_LIMITS, maxConnections: 2, maxConnectionsPerAddress: 1 },
    sourceOf: () => ({ ...source }),
  });
  const first = await hold(fixture.port);
  assert.equal((await connectRaw(fixture.port)).answered, false);
  source.key = "192.0.2.2";
  const second = await hold(fixture.port);
  source.key = "192.0.2.3";
  assert.equal((await connectRaw(fixture.port)).answered, false);
  assert.deepEqual(fixture.refusals.map(({ error }) => error.code), ["connection_limit", "connection_limit"]);
  first.destroy();
  // The server may hear of the end of the first connection after the next one has arrived.
  let answered = false;
  while (!answered) {
    // deno-lint-ignore no-await-in-loop -- a retry
    ({ answered } = await connectRaw(fixture.port));
  }
  second.destroy();
});

Deno.test("TlsFront refuses unfinished handshakes over their bounds at once, and they take no other place", async () => {
  await using pki = await TestPki.create();
  const material = materialOf(pki, await pki.issue("d", { usage: "serverAuth" }));
  const source = { key: "", local: false };
  await using fixture = await startFront(ANYONE, material, {
    limits: { ...NODE_RPC_LIMITS, maxConnections: 1 },
    handshakeLimits: { max: 3, maxPerSource: 2, maxLocal: 1 },
    sourceOf: () => ({ ...source }),
  });
  const silent: net.Socket[] = [];
  const sayNothing = async (key: string, { refused }: { refused: boolean }) => {
    source.key = key;
    const refusal = fixture.nextRefusal();
    const socket = await silentSocket(fixture.port);
    silent.push(socket);
    if (refused) assert.equal((await refusal).code, "connection_limit");
  };
  await sayNothing("192.0.2.1", { refused: false });
  await sayNothing("192.0.2.1", { refused: false });
  await sayNothing("192.0.2.1", { refused: true });
  await sayNothing("192.0.2.2", { refused: false });
  await sayNothing("192.0.2.3", { refused: true });
  assert.equal(fixture.refusals.length, 2);
  // This machine has places of its own, and the one connection that may be let in is.
  source.key = "local";
  source.local = true;
  using client = healthClient(fixture.port, pki.ca, await pki.issue("node", { usage: "clientAuth" }));
  assert.equal(await check(client), undefined);
  for (const socket of silent) socket.destroy();
});

Deno.test("TlsFront lets a local client in however many local sockets are silent: the oldest gives way", async () => {
  await using pki = await TestPki.create();
  const material = materialOf(pki, await pki.issue("d", { usage: "serverAuth" }));
  await using fixture = await startFront(ANYONE, material, {
    handshakeLimits: { max: 1, maxPerSource: 1, maxLocal: 2 },
  });
  const oldest = await silentSocket(fixture.port);
  const oldestPort = oldest.localPort;
  const other = await silentSocket(fixture.port);
  const closed = once(oldest, "close");
  using client = healthClient(fixture.port, pki.ca, await pki.issue("node", { usage: "clientAuth" }));
  assert.equal(await check(client), undefined);
  await closed;
  assert.equal(other.destroyed, false);
  assert.deepEqual(fixture.refusals.map(({ error }) => error.code), ["connection_limit"]);
  assert.match(fixture.refusals[0]?.remoteAddress ?? "", new RegExp(`:${oldestPort}$`));
  other.destroy();
});

Deno.test("TlsFront cuts a client that does not finish its handshake", async () => {
  await using pki = await TestPki.create();
  const material = materialOf(pki, await pki.issue("d", { usage: "serverAuth" }));
  await using fixture = await startFront(ANYONE, material, { handshakeTimeoutMs: 50 });
  const silent = net.connect(fixture.port, "127.0.0.1");
  silent.on("error", () => {});
  silent.resume();
  const refusal = fixture.nextRefusal();
  await once(silent, "close");
  assert.equal((await refusal).code, "deadline_exceeded");
});

Deno.test("TlsFront refuses clients that speak TLS 1.2, no HTTP/2, or no TLS", async () => {
  await using pki = await TestPki.create();
  const material = materialOf(pki, await pki.issue("d", { usage: "serverAuth" }));
  await using fixture = await startFront({ kind: "server-only" }, material);
  const reasons: string[] = [];
  for (const options of [{ maxVersion: "TLSv1.2" as const }, { ALPNProtocols: [] }]) {
    const refusal = fixture.nextRefusal();
    // deno-lint-ignore no-await-in-loop -- one client after the other
    assert.equal((await connectRaw(fixture.port, undefined, options)).answered, false);
    // deno-lint-ignore no-await-in-loop -- as above
    reasons.push((await refusal).code);
  }
  const refusal = fixture.nextRefusal();
  const plain = net.connect(fixture.port, "127.0.0.1");
  plain.on("error", () => {});
  plain.resume();
  plain.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  await once(plain, "close");
  reasons.push((await refusal).code);
  assert.deepEqual(reasons, ["protocol_mismatch", "protocol_mismatch", "protocol_mismatch"]);
});

Deno.test("TlsFront.reload() uses the new certificates for new connections and keeps the old ones", async () => {
  await using pki = await TestPki.create();
  await using nextPki = await TestPki.create();
  const node = await pki.issue("node", { usage: "clientAuth" });
  const nextNode = await nextPki.issue("node", { usage: "clientAuth" });
  const nextServer = await nextPki.issue("d", { usage: "serverAuth" });
  await using fixture = await startFront(ANYONE, materialOf(pki, await pki.issue("d", { usage: "serverAuth" })));
  using before = healthClient(fixture.port, pki.ca, node);
  assert.equal(await check(before), undefined);
  assert.equal((await connectRaw(fixture.port, nextNode)).answered, false);

  fixture.front.reload(materialOf(nextPki, nextServer));
  assert.equal(await check(before), undefined);
  assert.equal(fixture.front.connectionCount, 1);
  using after = healthClient(fixture.port, nextPki.ca, nextNode);
  assert.equal(await check(after), undefined);
  assert.equal((await connectRaw(fixture.port, node)).answered, false);
});

Deno.test("TlsFront.listen() rejects with listen_failed and the cure when the port is in use", async () => {
  await using pki = await TestPki.create();
  const material = materialOf(pki, await pki.issue("d", { usage: "serverAuth" }));
  await using first = await startFront(ANYONE, material);
  const second = new TlsFront(new grpc.Server(), {
    mode: ANYONE,
    tls: material,
    limits: NODE_RPC_LIMITS,
    onRefused: () => {},
  });
  await assert.rejects(second.listen("127.0.0.1", first.port), (error) => {
    assert.ok(error instanceof PalyraError);
    assert.equal(error.code, "listen_failed");
    assert.match(error.message, new RegExp(`Port ${first.port} .* in use`));
    return true;
  });
  await second.close();
});
