import assert from "node:assert/strict";
import type { Fingerprint } from "../../identity/fingerprint.ts";
import { PalyraError } from "../../identity/palyra_error.ts";
import { NodeEventRequest, NodeEventResponse } from "../../proto/gen/node.ts";
import type { DaemonSession, NodeSession, SessionEnd, TransportName } from "../session.ts";

/** Two connected ends of one session. */
export interface SessionPair extends AsyncDisposable {
  readonly daemon: DaemonSession;
  readonly node: NodeSession;
  /** Of the certificate that the daemon must see. */
  readonly nodeFingerprint: Fingerprint;
  /** Of the certificate that the node must see. */
  readonly daemonFingerprint: Fingerprint;
}

/** What is particular about a transport. */
export interface SessionContractOptions {
  /** The largest encoded message that it carries. */
  readonly maxMessageBytes: number;
}

const MESSAGES = 1_000;

/** Far more turns than the backlog bound of a session takes to fill. */
const MAX_SLOW_PEER_TURNS = 2_000;

/**
 * Registers the tests that every transport must pass.
 *
 * @param makePair Connects a new pair over real sockets. No handler is set when it resolves.
 */
export function sessionContract(
  transport: TransportName,
  { maxMessageBytes }: SessionContractOptions,
  makePair: () => Promise<SessionPair>,
): void {
  const test = (name: string, body: (pair: SessionPair) => Promise<void>) =>
    Deno.test(`A ${transport} session ${name}`, async () => {
      await using pair = await makePair();
      await body(pair);
    });

  test("knows its transport and the certificate of the other end", ({ daemon, node, ...expected }) => {
    assert.equal(daemon.transport, transport);
    assert.equal(node.transport, transport);
    assert.equal(daemon.peer.fingerprint, expected.nodeFingerprint);
    assert.equal(node.peer.fingerprint, expected.daemonFingerprint);
    assert.match(daemon.remoteAddress, /^127\.0\.0\.1:\d+$/);
    assert.match(node.remoteAddress, /^127\.0\.0\.1:\d+$/);
    return Promise.resolve();
  });

  test(`carries ${MESSAGES} messages in each direction at once, in order`, async ({ daemon, node }) => {
    const atDaemon = collect(daemon, MESSAGES);
    const atNode = collect(node, MESSAGES);
    const expected: string[] = [];
    for (let number = 0; number < MESSAGES; number++) {
      expected.push(`message ${number}`);
      node.send(toDaemon(`message ${number}`));
      daemon.send(toNode(`message ${number}`));
    }
    assert.deepEqual((await atDaemon).map((message) => message.eventName), expected);
    assert.deepEqual((await atNode).map((message) => message.reason), expected);
  });

  test("delivers what was sent before the handler was set", async ({ daemon, node }) => {
    daemon.send(toNode("early"));
    daemon.send(toNode("on time"));
    const received = await collect(node, 2);
    assert.deepEqual(received.map((message) => message.reason), ["early", "on time"]);
  });

  test("carries messages of the largest size and refuses larger ones without harm", async ({ daemon, node }) => {
    const largestRequest = requestOf(maxMessageBytes);
    const largestResponse = responseOf(maxMessageBytes);
    assert.throws(() => node.send(requestOf(maxMessageBytes + 1)), isTooLarge);
    assert.throws(() => daemon.send(responseOf(maxMessageBytes + 1)), isTooLarge);
    const atDaemon = collect(daemon, 2);
    const atNode = collect(node, 2);
    node.send(largestRequest);
    node.send(toDaemon("after"));
    daemon.send(largestResponse);
    daemon.send(toNode("after"));
    const [request, afterRequest] = await atDaemon;
    const [response, afterResponse] = await atNode;
    assert.equal(request?.payloadJson.length, largestRequest.payloadJson.length);
    assert.equal(afterRequest?.eventName, "after");
    assert.equal(response?.reason.length, largestResponse.reason.length);
    assert.equal(afterResponse?.reason, "after");
  });

  test("ends on both sides with the daemon's code when the daemon closes it", async ({ daemon, node }) => {
    node.onMessage = () => {};
    daemon.onMessage = () => {};
    daemon.close("session_replaced", "Another session of this device has begun.");
    const [atDaemon, atNode] = await Promise.all([daemon.closed, node.closed]);
    const expected = { code: "session_replaced" as const, message: "Another session of this device has begun." };
    assertEnd(atDaemon, { by: "local", ...expected });
    assertEnd(atNode, { by: "peer", ...expected });
  });

  test("ends on both sides when the node closes it", async ({ daemon, node }) => {
    node.onMessage = () => {};
    daemon.onMessage = () => {};
    node.close("shutting_down", "The node stops.");
    const [atDaemon, atNode] = await Promise.all([daemon.closed, node.closed]);
    assertEnd(atNode, { by: "local", code: "shutting_down", message: "The node stops." });
    assert.equal(atDaemon.by, "peer");
    assert.equal(atDaemon.code, "shutting_down");
  });

  test("delivers what was sent before the close, from either side", async ({ daemon, node }) => {
    const atNode = collect(node, 100);
    daemon.onMessage = () => {};
    for (let number = 0; number < 100; number++) daemon.send(toNode(`message ${number}`));
    daemon.close("shutting_down", "The daemon stops.");
    assert.equal((await atNode).at(-1)?.reason, "message 99");
    assert.equal((await node.closed).by, "peer");
  });

  test("delivers what the node sent before it closed", async ({ daemon, node }) => {
    const atDaemon = collect(daemon, 100);
    node.onMessage = () => {};
    for (let number = 0; number < 100; number++) node.send(toDaemon(`message ${number}`));
    node.close("shutting_down", "The node stops.");
    assert.equal((await atDaemon).at(-1)?.eventName, "message 99");
    assert.equal((await daemon.closed).by, "peer");
  });

  for (const side of ["daemon", "node"] as const) {
    const other = side === "daemon" ? "node" : "daemon";

    test(`ends at once when the ${side} aborts it, and drops the connection`, async (pair) => {
      pair.node.onMessage = () => {};
      pair.daemon.onMessage = () => {};
      pair[side].abort("device_revoked", "The device was revoked.");
      const settled = await Promise.race([pair[side].closed, Promise.resolve("not yet")]);
      assert.notEqual(settled, "not yet");
      assertEnd(await pair[side].closed, { by: "local", code: "device_revoked", message: "The device was revoked." });
      const end = await pair[other].closed;
      assert.notEqual(end.by, "local");
      assert.equal(end.code, "connection_lost");
    });

    test(`cuts a peer of the ${side} that does not read`, async (pair) => {
      pair[side].onMessage = () => {};
      let end: SessionEnd | undefined;
      pair[side].closed.then((reason) => end = reason);
      for (let turn = 0; turn < MAX_SLOW_PEER_TURNS && end === undefined; turn++) {
        if (side === "daemon") pair.daemon.send(responseOf(256 * 1024));
        else pair.node.send(requestOf(256 * 1024));
        // deno-lint-ignore no-await-in-loop -- lets what can be written be written
        await new Promise((resolve) => setImmediate(resolve));
      }
      assert.equal(end?.by, "local");
      assert.equal(end.code, "slow_peer");
    });

    test(`takes calls on the ${side} after its end without harm and keeps the first reason`, async (pair) => {
      pair.node.onMessage = () => {};
      pair.daemon.onMessage = () => {};
      pair[side].close("shutting_down", "First.");
      pair[side].close("internal", "Second.");
      const end = await pair[side].closed;
      assertEnd(end, { by: "local", code: "shutting_down", message: "First." });
      await pair[other].closed;
      for (const session of [pair.daemon, pair.node]) {
        session.close("internal", "Third.");
        session.abort("internal", "Fourth.");
      }
      pair.daemon.send(toNode("late"));
      pair.node.send(toDaemon("late"));
      assert.equal(await pair[side].closed, end);
    });

    test(`ends with internal when the ${side}'s handler throws`, async (pair) => {
      const failure = new Error("a fault of the handler");
      pair.node.onMessage = () => {};
      pair.daemon.onMessage = () => {};
      pair[side].onMessage = () => {
        throw failure;
      };
      if (side === "daemon") pair.node.send(toDaemon("x"));
      else pair.daemon.send(toNode("x"));
      const end = await pair[side].closed;
      assert.equal(end.by, "local");
      assert.equal(end.code, "internal");
      assert.equal(end.cause, failure);
      assert.ok(!end.message.includes("handler"));
      await pair[other].closed;
    });
  }

  test("settles an abort during a close at once, with the reason of the close", async ({ daemon, node }) => {
    node.onMessage = () => {};
    daemon.close("shutting_down", "The daemon stops.");
    daemon.abort("internal", "Too late to matter.");
    assertEnd(await daemon.closed, { by: "local", code: "shutting_down", message: "The daemon stops." });
    assert.notEqual((await node.closed).by, "local");
  });
}

function assertEnd(end: SessionEnd, expected: SessionEnd): void {
  assert.deepEqual({ by: end.by, code: end.code, message: end.message }, expected);
}

function collect<Message>(
  session: { onMessage: ((message: Message) => void) | undefined },
  count: number,
): Promise<Message[]> {
  const { promise, resolve } = Promise.withResolvers<Message[]>();
  const messages: Message[] = [];
  session.onMessage = (message) => {
    messages.push(message);
    if (messages.length === count) resolve(messages);
  };
  return promise;
}

function toDaemon(eventName: string, payloadJson: Uint8Array = new Uint8Array()): NodeEventRequest {
  return NodeEventRequest.create({ v: 1, eventName, payloadJson });
}

function toNode(reason: string): NodeEventResponse {
  return NodeEventResponse.create({ v: 1, reason });
}

/** A message of exactly `bytes` encoded bytes, for sizes whose length prefix does not change near them. */
function requestOf(bytes: number): NodeEventRequest {
  const overhead = NodeEventRequest.encode(toDaemon("", new Uint8Array(bytes))).finish().length - bytes;
  return toDaemon("", new Uint8Array(bytes - overhead));
}

function responseOf(bytes: number): NodeEventResponse {
  const overhead = NodeEventResponse.encode(toNode("x".repeat(bytes))).finish().length - bytes;
  return toNode("x".repeat(bytes - overhead));
}

function isTooLarge(error: unknown): boolean {
  return error instanceof PalyraError && error.code === "message_too_large";
}
