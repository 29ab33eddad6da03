import http2 from "node:http2";
import { Duplex } from "node:stream";
import { PalyraError } from "../../identity/palyra_error.ts";

/*
 * Deno 2.9.4 to 2.9.6 free an HTTP/2 session inside the session's own native receive call when the peer sends GOAWAY
 * (https://github.com/denoland/deno/issues/36788): a use after free that any peer can cause and that ends the process.
 * Deno's own check against it does not hold in release builds, so it is made here, in front of the native methods.
 */

/** The methods of Deno's native HTTP/2 session that may run inside each other. */
interface NativeSession {
  receive(bytes: Uint8Array): unknown;
  getOutgoingChunk(): unknown;
  sendPending(): unknown;
  destroy(...args: unknown[]): unknown;
}

type NativeMethod = keyof NativeSession;

const GUARDED_METHODS: readonly NativeMethod[] = ["receive", "getOutgoingChunk", "sendPending", "destroy"];

/** What waits for a native call of one session to return. */
interface Deferred {
  /** A native call is on the stack. */
  busy: boolean;
  /** Bytes that came while it was. The native side reuses its buffer, so these are copies. */
  received: Uint8Array[];
  send: boolean;
  destroyArgs: unknown[] | undefined;
}

const NO_BYTES = new Uint8Array(0);

let installed = false;

/**
 * Makes `node:http2` of this process safe against peers that end their connections (GOAWAY) or reset a stream early.
 *
 * Call it before any gRPC object is made, in servers and in clients; calling it again does nothing. It costs about 3 %
 * of the throughput. Throws `runtime_unsupported` when this Deno's internals are not the ones it knows; nothing is
 * changed then.
 */
export function installHttp2Guard(): void {
  if (installed) return;
  guardNativeSession(nativeSessionPrototype());
  guardStreams();
  installed = true;
}

/** Finds the native session's prototype on a session that is connected to nothing. */
function nativeSessionPrototype(): NativeSession {
  const nowhere = new Duplex({
    read() {},
    write(_chunk, _encoding, done) {
      done();
    },
  });
  const session = http2.connect("http://guard.invalid", { createConnection: () => nowhere });
  session.on("error", () => {});
  try {
    for (const key of Object.getOwnPropertySymbols(session)) {
      const value: unknown = Reflect.get(session, key);
      if (typeof value !== "object" || value === null) continue;
      const prototype: unknown = Object.getPrototypeOf(value);
      if (isNativeSession(prototype)) return prototype;
    }
  } finally {
    session.destroy();
    nowhere.destroy();
  }
  throw new PalyraError(
    "runtime_unsupported",
    "This Deno's HTTP/2 has no known defence against peers that crash it, so no gRPC is served or used. " +
      "Run the program with Deno 2.9.6: `npx -y deno@2.9.6 …`.",
  );
}

function isNativeSession(prototype: unknown): prototype is NativeSession {
  return typeof prototype === "object" && prototype !== null &&
    GUARDED_METHODS.every((method) =>
      Object.hasOwn(prototype, method) && typeof Reflect.get(prototype, method) === "function"
    );
}

/** While a native call of a session runs, its nested sends and receives wait, and so does its destruction. */
function guardNativeSession(prototype: NativeSession): void {
  const { receive, getOutgoingChunk, sendPending, destroy } = prototype;
  const states = new WeakMap<NativeSession, Deferred>();

  const stateOf = (session: NativeSession): Deferred => {
    let state = states.get(session);
    if (state === undefined) {
      state = { busy: false, received: [], send: false, destroyArgs: undefined };
      states.set(session, state);
    }
    return state;
  };

  const runDeferred = (session: NativeSession, state: Deferred): void => {
    while (state.destroyArgs === undefined) {
      const bytes = state.received.shift();
      if (bytes === undefined) break;
      session.receive(bytes);
    }
    if (state.send || state.destroyArgs !== undefined) {
      state.send = false;
      // Lets a queued GOAWAY out before the end.
      session.sendPending();
    }
    const { destroyArgs } = state;
    if (destroyArgs !== undefined) {
      state.destroyArgs = undefined;
      state.received.length = 0;
      destroy.apply(session, destroyArgs);
    }
  };

  prototype.receive = function (bytes) {
    const state = stateOf(this);
    if (state.busy) {
      state.received.push(bytes.slice());
      return undefined;
    }
    state.busy = true;
    try {
      return receive.call(this, bytes);
    } finally {
      state.busy = false;
      runDeferred(this, state);
    }
  };

  prototype.getOutgoingChunk = function () {
    const state = stateOf(this);
    if (state.busy) {
      state.send = true;
      return NO_BYTES;
    }
    state.busy = true;
    try {
      return getOutgoingChunk.call(this);
    } finally {
      state.busy = false;
      state.send = false;
      // The caller is about to write the chunk: what was deferred goes after it.
      if (state.destroyArgs !== undefined || state.received.length > 0) {
        queueMicrotask(() => {
          if (!state.busy) runDeferred(this, state);
        });
      }
    }
  };

  prototype.sendPending = function () {
    const state = stateOf(this);
    if (state.busy) {
      state.send = true;
      return undefined;
    }
    return sendPending.call(this);
  };

  prototype.destroy = function (...args) {
    const state = stateOf(this);
    if (state.busy) {
      state.destroyArgs ??= args;
      return undefined;
    }
    return destroy.apply(this, args);
  };
}

/**
 * Makes `respond()` of a stream that is gone do nothing.
 *
 * Deno announces a stream one tick late, so a peer may have reset it already; grpc-js answers an unknown method or a
 * wrong content type without looking, and the exception would leave an event handler and end the process.
 */
function guardStreams(): void {
  const guarded = new WeakSet<object>();
  const guardPrototypeOf = (stream: http2.ServerHttp2Stream): void => {
    let prototype: unknown = Object.getPrototypeOf(stream);
    while (isObject(prototype) && !Object.hasOwn(prototype, "respond")) prototype = Object.getPrototypeOf(prototype);
    if (!isObject(prototype) || guarded.has(prototype)) return;
    guarded.add(prototype);
    const responder = prototype as Pick<http2.ServerHttp2Stream, "respond">;
    const { respond } = responder;
    responder.respond = function (this: http2.ServerHttp2Stream, ...args) {
      if (!this.destroyed && !this.closed) respond.apply(this, args);
    };
  };
  const { createServer } = http2;
  http2.createServer =
    ((...args: Parameters<typeof createServer>) =>
      createServer(...args).prependListener("stream", guardPrototypeOf)) as typeof createServer;
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}
