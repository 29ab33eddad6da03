/**
 * Loaded before every test file (`--preload`): no test ends while an HTTP/2 connection of a client that it has closed is
 * still on its way to be closed, and no client that was closed leaves a timer behind.
 *
 * grpc-js keeps the keep-alive timer of a connection until Deno says that the connection is closed, and has no way to tell
 * when that is. A test that ends in between would leave a timer behind, and now and then one did. It also keeps the timer
 * after which a client would connect again, if the client is closed while its server is away: unreferenced, so that no
 * program minds, but for up to half a minute. A connection that nobody closes is not waited for, nor is its timer stopped:
 * that is a leak, and the sanitizers find it.
 *
 * @module
 */
import { Subchannel } from "@grpc/grpc-js/build/src/subchannel.js";
import http2, { type ClientHttp2Session } from "node:http2";
import { nextTick } from "node:process";
import { setImmediate as nextTurn } from "node:timers/promises";

/** So long a connection may take to be closed, in milliseconds. */
const PATIENCE_MS = 2_000;

/** grpc-js ends the connections of a closed channel within so many turns of the event loop. */
const TURNS = 3;

const open = new Set<ClientHttp2Session>();

http2.connect = new Proxy(http2.connect, {
  apply(connect, receiver, args) {
    const session: ClientHttp2Session = Reflect.apply(connect, receiver, args);
    open.add(session);
    // A session that was destroyed does not always say that it is closed.
    session.socket.once("close", () => open.delete(session));
    return session;
  },
});

/** What is private in grpc-js. */
interface ReconnectingSubchannel {
  readonly refcount: number;
  readonly backoffTimeout: { stop(): void };
  unref(): void;
}

const reconnecting = Subchannel.prototype as unknown as ReconnectingSubchannel;
reconnecting.unref = new Proxy(reconnecting.unref, {
  apply(unref, subchannel: ReconnectingSubchannel) {
    Reflect.apply(unref, subchannel, []);
    // Behind what grpc-js itself still does, which may start it once more.
    if (subchannel.refcount === 0) nextTick(() => subchannel.backoffTimeout.stop());
  },
});

/** Whether a connection is on its way to be closed. */
function isClosing(): boolean {
  return [...open].some((session) => session.closed || session.destroyed);
}

Deno.test.afterEach(async () => {
  const began = performance.now();
  for (let turn = 0; open.size > 0 && turn < TURNS || isClosing(); turn++) {
    if (performance.now() - began > PATIENCE_MS) {
      open.clear();
      throw new Error("a connection that was closed is still open");
    }
    // deno-lint-ignore no-await-in-loop -- one turn after the other
    await nextTurn();
  }
});
