import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { getLogger } from "@logtape/logtape";
import { listenError } from "../transport/listen_error.ts";
import { isLoopbackHost } from "./loopback_host.ts";
import { type Metric, METRICS_CONTENT_TYPE, metricsText } from "./metrics_text.ts";
import type { Obstacle } from "./readiness.ts";

const log = getLogger(["palyra", "daemon", "operations"]);

/** The one address it listens on: whoever watches from elsewhere puts a proxy with a login of its own in front. */
const HOSTNAME = "127.0.0.1";

/** What callers may take of the listener. */
export interface OperationsLimits {
  /** Connections at once; a further one is closed unheard. */
  readonly maxConnections: number;
  /** How long a request may take to arrive, in milliseconds. */
  readonly requestTimeoutMs: number;
  /** Length of a request's head, in bytes. */
  readonly maxHeadBytes: number;
}

/** What applies where nothing else is said: far more than probes and a scraper need. */
export const OPERATIONS_LIMITS: OperationsLimits = {
  maxConnections: 16,
  requestTimeoutMs: 5_000,
  maxHeadBytes: 8 * 1024,
};

/** What an {@linkcode OperationsListener} is started with. */
export interface OperationsListenerOptions {
  /** 0 takes a free port. */
  readonly port: number;
  /** Read at each scrape. */
  readonly metrics: () => readonly Metric[];
  /** What keeps the daemon from serving; asked at each `/readyz`. */
  readonly obstacles: () => Promise<readonly Obstacle[]>;
  /** Defaults to {@linkcode OPERATIONS_LIMITS}. */
  readonly limits?: OperationsLimits;
}

/** An answer, before it is sent. */
interface Answer {
  readonly status: number;
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
}

type Page = (options: OperationsListenerOptions) => Answer | Promise<Answer>;

/** What there is, by path. */
const PAGES: ReadonlyMap<string, Page> = new Map<string, Page>([
  ["/metrics", metricsPage],
  ["/healthz", () => json(200, { alive: true })],
  ["/readyz", readinessPage],
]);

/**
 * Serves `/metrics`, `/healthz` and `/readyz` over plain HTTP on loopback (design section 7).
 *
 * Every user of the machine can read them, so they hold nothing that is not for all. One request a connection, and no
 * request's body is read. It stands on node:http, because `Deno.serve` has no bound on connections nor on the time that
 * a request takes to arrive.
 */
export class OperationsListener {
  readonly #server: Server;
  /** Where it listens. */
  readonly address: { readonly hostname: string; readonly port: number };

  private constructor(server: Server, address: AddressInfo) {
    this.#server = server;
    this.address = { hostname: address.address, port: address.port };
  }

  /** Starts to listen; rejects with `listen_failed`. */
  static async start(options: OperationsListenerOptions): Promise<OperationsListener> {
    const { maxConnections, requestTimeoutMs, maxHeadBytes } = options.limits ?? OPERATIONS_LIMITS;
    const server = createServer({
      headersTimeout: requestTimeoutMs,
      requestTimeout: requestTimeoutMs,
      connectionsCheckingInterval: Math.ceil(requestTimeoutMs / 4),
      maxHeaderSize: maxHeadBytes,
    }, (request, response) => void respond(request, response, options));
    server.maxConnections = maxConnections;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.once("error", reject);
    try {
      server.listen(options.port, HOSTNAME, resolve);
      await promise;
    } catch (cause) {
      server.close();
      throw listenError(HOSTNAME, options.port, cause);
    } finally {
      server.off("error", reject);
    }
    server.on("error", () => {
      // A failed accept (out of file descriptors, a caller gone) concerns that connection; the port stays open.
    });
    return new OperationsListener(server, server.address() as AddressInfo);
  }

  /** Stops to listen and drops the connections that are open. */
  async close(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    // An error here means that it was not listening any more.
    this.#server.close(() => resolve());
    this.#server.closeAllConnections();
    await promise;
  }
}

async function respond(
  request: IncomingMessage,
  response: ServerResponse,
  options: OperationsListenerOptions,
): Promise<void> {
  const { status, headers, body } = await answerTo(request, options).catch((cause): Answer => {
    log.error("A request to the operations listener failed.", { cause });
    return sentence(500, "Something failed that should not; the log has the cause.");
  });
  response.writeHead(status, {
    ...headers,
    "Content-Length": String(new TextEncoder().encode(body).length),
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    // The connection ends with the answer, so what is left of the request is never read.
    "Connection": "close",
  });
  response.end(body);
}

async function answerTo(request: IncomingMessage, options: OperationsListenerOptions): Promise<Answer> {
  const hosts = request.headersDistinct["host"] ?? [];
  const [host] = hosts;
  if (hosts.length !== 1 || host === undefined) return sentence(400, "A request needs one Host header.");
  if (!isLoopbackHost(host)) {
    return sentence(421, "This port answers to localhost, 127.0.0.1 and [::1] only. Ask it under one of these.");
  }
  const [path = ""] = (request.url ?? "").split("?");
  const page = PAGES.get(path);
  if (page === undefined) return sentence(404, "There are /metrics, /healthz and /readyz here, and nothing else.");
  if (request.method !== "GET" && request.method !== "HEAD") {
    return sentence(405, "This can only be read: ask with GET or HEAD.", { Allow: "GET, HEAD" });
  }
  return await page(options);
}

function metricsPage({ metrics }: OperationsListenerOptions): Answer {
  return { status: 200, headers: { "Content-Type": METRICS_CONTENT_TYPE }, body: metricsText(metrics()) };
}

async function readinessPage({ obstacles }: OperationsListenerOptions): Promise<Answer> {
  const found = await obstacles();
  const ready = found.length === 0;
  return json(ready ? 200 : 503, { ready, obstacles: found });
}

function json(status: number, value: Readonly<Record<string, unknown>>): Answer {
  return { status, headers: { "Content-Type": "application/json" }, body: `${JSON.stringify(value)}\n` };
}

function sentence(status: number, text: string, headers: Readonly<Record<string, string>> = {}): Answer {
  return { status, headers: { ...headers, "Content-Type": "text/plain; charset=utf-8" }, body: `${text}\n` };
}
