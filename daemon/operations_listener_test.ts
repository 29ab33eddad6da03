import assert from "node:assert/strict";
import { connect, type Socket } from "node:net";
import type { Metric } from "./metrics_text.ts";
import { OPERATIONS_LIMITS, OperationsListener, type OperationsListenerOptions } from "./operations_listener.ts";
import type { Obstacle } from "./readiness.ts";

const METRICS: readonly Metric[] = [
  { name: "palyrad_things_total", type: "counter", help: "Thïngs.", samples: [{ value: 3 }] },
];
const METRICS_BODY =
  "# HELP palyrad_things_total Thïngs.\n# TYPE palyrad_things_total counter\npalyrad_things_total 3\n";

function test(
  name: string,
  body: (listener: OperationsListener, url: string) => Promise<void>,
  options: Partial<OperationsListenerOptions> = {},
): void {
  Deno.test(`OperationsListener ${name}`, async () => {
    const listener = await OperationsListener.start({
      port: 0,
      metrics: () => METRICS,
      obstacles: () => Promise.resolve([]),
      ...options,
    });
    try {
      await body(listener, `http://127.0.0.1:${listener.address.port}`);
    } finally {
      await listener.close();
    }
  });
}

/** Connects and says `text`; nothing more is said. */
async function say({ address }: OperationsListener, text: string): Promise<Socket> {
  const socket = connect(address.port, address.hostname);
  socket.on("error", () => {
    // A connection that the listener drops may end with a reset.
  });
  await new Promise((resolve) => socket.once("connect", resolve));
  socket.write(text);
  return socket;
}

/** All that comes on a connection until the listener has closed it. */
async function everything(socket: Socket): Promise<string> {
  let text = "";
  socket.on("data", (chunk) => text += chunk);
  await new Promise((resolve) => socket.once("close", resolve));
  return text;
}

/** Says `text` on a connection of its own; the answer's status line, and all of it. */
async function exchange(listener: OperationsListener, text: string): Promise<{ status: string; answer: string }> {
  const answer = await everything(await say(listener, text));
  const [status = ""] = answer.split("\r\n");
  return { status, answer };
}

test("serves the metrics in the text format, read anew at each scrape", async (listener, url) => {
  assert.equal(listener.address.hostname, "127.0.0.1");
  for (let scrape = 0; scrape < 2; scrape++) {
    // deno-lint-ignore no-await-in-loop -- one scrape after the other
    const response = await fetch(`${url}/metrics?now`);
    assert.equal(response.status, 200);
    assert.equal(response.headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    assert.equal(response.headers.get("cache-control"), "no-store");
    // deno-lint-ignore no-await-in-loop -- one scrape after the other
    assert.equal(await response.text(), METRICS_BODY);
  }
});

test("says that it is alive, and ready", async (_listener, url) => {
  for (const [path, body] of [["/healthz", { alive: true }], ["/readyz", { ready: true, obstacles: [] }]] as const) {
    // deno-lint-ignore no-await-in-loop -- one request after the other
    const response = await fetch(url + path);
    assert.equal(response.status, 200);
    assert.equal(response.headers.get("content-type"), "application/json");
    // deno-lint-ignore no-await-in-loop -- one request after the other
    assert.deepEqual(await response.json(), body);
  }
});

const OBSTACLE: Obstacle = { part: "store", message: "No room is left." };
test("is alive but not ready, and says why, when something is in the way", async (_listener, url) => {
  const response = await fetch(`${url}/readyz`);
  assert.equal(response.status, 503);
  assert.deepEqual(await response.json(), { ready: false, obstacles: [OBSTACLE] });
  const health = await fetch(`${url}/healthz`);
  assert.equal(health.status, 200);
  await health.body?.cancel();
}, { obstacles: () => Promise.resolve([OBSTACLE]) });

test("answers HEAD as GET, without the body", async (listener, url) => {
  for (const path of ["/metrics", "/healthz", "/readyz"]) {
    // deno-lint-ignore no-await-in-loop -- one request after the other
    const { answer } = await exchange(listener, `HEAD ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
    // deno-lint-ignore no-await-in-loop -- one request after the other
    const body = await (await fetch(url + path)).arrayBuffer();
    assert.ok(answer.startsWith("HTTP/1.1 200 "), answer);
    assert.match(answer, new RegExp(`^content-length: ${body.byteLength}\r$`, "im"));
    assert.ok(answer.endsWith("\r\n\r\n"), answer);
  }
});

test("has nothing at other paths, whatever the method", async (listener) => {
  const targets = ["/", "/metrics/", "/metrics%2F", "//metrics", "/Metrics", "http://localhost/metrics", "/__proto__"];
  for (const target of targets) {
    for (const method of ["GET", "POST"]) {
      // deno-lint-ignore no-await-in-loop -- one request after the other
      const { status } = await exchange(listener, `${method} ${target} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
      assert.equal(status, "HTTP/1.1 404 Not Found", `${method} ${target}`);
    }
  }
});

test("can only be read", async (_listener, url) => {
  for (const method of ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"]) {
    for (const path of ["/metrics", "/healthz", "/readyz"]) {
      // deno-lint-ignore no-await-in-loop -- one request after the other
      const response = await fetch(url + path, { method });
      assert.equal(response.status, 405, `${method} ${path}`);
      assert.equal(response.headers.get("allow"), "GET, HEAD");
      // deno-lint-ignore no-await-in-loop -- one request after the other
      await response.body?.cancel();
    }
  }
});

test("answers under loopback names only, so that no page can read it through a name of its own", async (listener) => {
  const heads: [string, string][] = [
    ["Host: localhost:1\r\n", "200 OK"],
    ["Host: [::1]\r\n", "200 OK"],
    ["Host: evil.example\r\n", "421 Misdirected Request"],
    ["Host: 127.0.0.1.evil.example\r\n", "421 Misdirected Request"],
    ["Host: localhost\r\nHost: evil.example\r\n", "400 Bad Request"],
    ["Host: \r\n", "421 Misdirected Request"],
    ["", "400 Bad Request"],
  ];
  for (const [head, expected] of heads) {
    // deno-lint-ignore no-await-in-loop -- one request after the other
    const { status } = await exchange(listener, `GET /metrics HTTP/1.1\r\n${head}\r\n`);
    assert.equal(status, `HTTP/1.1 ${expected}`, head);
  }
});

test("answers before a request's body has come, and reads none of it", async (listener) => {
  const head = "HTTP/1.1\r\nHost: localhost\r\n";
  const declared = await exchange(listener, `GET /healthz ${head}Content-Length: 1000000000\r\n\r\nxyz`);
  assert.equal(declared.status, "HTTP/1.1 200 OK");
  const chunked = await exchange(listener, `POST /healthz ${head}Transfer-Encoding: chunked\r\n\r\nff\r\nxyz`);
  assert.equal(chunked.status, "HTTP/1.1 405 Method Not Allowed");
});

test("closes after one answer, a second request on the same connection notwithstanding", async (listener) => {
  const request = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n";
  const { answer } = await exchange(listener, request + request);
  assert.equal(answer.split("HTTP/1.1 200 OK").length, 2, answer);
});

test("refuses what is no request and heads that are too long, and serves on", async (listener, url) => {
  const wrong: [string, RegExp][] = [
    ["rubbish\r\n\r\n", /^HTTP\/1.1 400 /],
    ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", /^HTTP\/1.1 400 /],
    ["\x16\x03\x01\x02\x00\x01\x00\x01", /^HTTP\/1.1 400 /],
    [`GET /metrics HTTP/1.1\r\nHost: localhost\r\nX: ${"x".repeat(10_000)}\r\n\r\n`, /^HTTP\/1.1 431 /],
    ["CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: localhost\r\n\r\n", /^$/],
  ];
  for (const [text, expected] of wrong) {
    // deno-lint-ignore no-await-in-loop -- one request after the other
    assert.match((await exchange(listener, text)).status, expected);
  }
  assert.equal(await (await fetch(`${url}/metrics`)).text(), METRICS_BODY);
});

const HASTY = { ...OPERATIONS_LIMITS, requestTimeoutMs: 40 };
test("drops connections that say nothing, or only half of a request", async (listener) => {
  const silent = await say(listener, "");
  const half = await say(listener, "GET /metrics HTTP/1.1\r\nHost: loc");
  const [ofSilent, ofHalf] = await Promise.all([everything(silent), everything(half)]);
  for (const answer of [ofSilent, ofHalf]) assert.match(answer, /^(HTTP\/1.1 408 Request Timeout\r\n|$)/);
}, { limits: HASTY });

test("closes connections beyond its bound unheard, and has room again when others have gone", async (listener, url) => {
  const held: Socket[] = [];
  for (let count = 0; count < OPERATIONS_LIMITS.maxConnections; count++) {
    // deno-lint-ignore no-await-in-loop -- each must be in before the next
    held.push(await say(listener, "GET "));
  }
  const { answer } = await exchange(listener, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
  assert.equal(answer, "");
  for (const socket of held) socket.destroy();
  // The listener hears of those ends in its own time.
  let response: Response | undefined;
  for (let tries = 0; response === undefined && tries < 1_000; tries++) {
    // deno-lint-ignore no-await-in-loop -- one try after the other
    response = await fetch(`${url}/healthz`).catch(() => undefined);
  }
  assert.deepEqual(await response?.json(), { alive: true });
});

const broken = () => {
  throw new Error("private detail");
};
test("answers 500 without detail when a source fails, and serves on", async (_listener, url) => {
  const response = await fetch(`${url}/metrics`);
  assert.equal(response.status, 500);
  assert.equal(await response.text(), "Something failed that should not; the log has the cause.\n");
  assert.equal(await (await fetch(`${url}/healthz`)).text(), '{"alive":true}\n');
}, { metrics: broken });

Deno.test("OperationsListener survives callers that go away before their answer", async () => {
  const asked = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  const listener = await OperationsListener.start({
    port: 0,
    metrics: () => METRICS,
    obstacles: async () => {
      asked.resolve();
      await gate.promise;
      return [];
    },
  });
  try {
    const socket = await say(listener, "GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    await asked.promise;
    socket.resetAndDestroy();
    gate.resolve();
    const response = await fetch(`http://127.0.0.1:${listener.address.port}/readyz`);
    assert.deepEqual(await response.json(), { ready: true, obstacles: [] });
  } finally {
    await listener.close();
  }
});

Deno.test("OperationsListener.start() rejects with listen_failed and the cure when the port is taken", async () => {
  const options = { metrics: () => METRICS, obstacles: () => Promise.resolve([]) };
  const first = await OperationsListener.start({ ...options, port: 0 });
  try {
    await assert.rejects(
      OperationsListener.start({ ...options, port: first.address.port }),
      { code: "listen_failed", message: /is in use.*choose another port/ },
    );
  } finally {
    await first.close();
  }
});

Deno.test("OperationsListener.close() drops connections that are open and frees the port", async () => {
  const options = { metrics: () => METRICS, obstacles: () => Promise.resolve([]) };
  const first = await OperationsListener.start({ ...options, port: 0 });
  const silent = await say(first, "GET /met");
  const dropped = everything(silent);
  await first.close();
  await dropped;
  const second = await OperationsListener.start({ ...options, port: first.address.port });
  await second.close();
});
