/**
 * Loaded before every test file (`--preload`): no test ends while an HTTP/2 connection of a client that it has closed is
 * still on its way to be closed.
 *
 * grpc-js keeps the keep-alive timer of a connection until Deno says that the connection is closed, and has no way to tell
 * when that is. A test that ends in between would leave a timer behind, and now and then one did. A connection that nobody
 * closes is not waited for: that is a leak, and the sanitizers find it.
 *
 * @module
 */
import http2, { type ClientHttp2Session } from "node:http2";
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
