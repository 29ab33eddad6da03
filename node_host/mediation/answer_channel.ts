import { setTimeout as delay } from "node:timers/promises";
import { getLogger } from "@logtape/logtape";
import * as v from "valibot";
import { PalyraError } from "../../identity/palyra_error.ts";
import { sameBytes } from "../../identity/same_bytes.ts";
import type { ChannelAddress } from "./channel_address.ts";
import { type ChannelListener, channelNotPermitted, listenForCommands } from "./channel_endpoint.ts";
import { type ChannelOrder, MAX_ORDER_BYTES, OrderSchema, type OutgoingReply } from "./channel_message.ts";
import { readLines, writeLine } from "./line_stream.ts";
import type { QuestionDesk, QuestionEvent } from "./question_desk.ts";
import type { RememberedAnswers } from "./remembered_answers.ts";

const logger = getLogger(["palyra", "node_host", "mediation"]);

/** Connections at once; further ones are closed. */
const MAX_CONNECTIONS = 16;
/** How long a command may take to say what it wants, in milliseconds. */
const ORDER_TIMEOUT_MS = 5_000;
/** How long no connection is taken after one could not be, in milliseconds. */
const ACCEPT_PAUSE_MS = 1_000;
/** Events that a watcher may have unread before it is cut off. */
const MAX_UNREAD_EVENTS = 256;

/** What {@linkcode AnswerChannel.open} needs. */
export interface AnswerChannelOptions {
  readonly address: ChannelAddress;
  readonly desk: QuestionDesk;
  readonly remembered: RememberedAnswers;
}

/**
 * Where the owner's commands reach the running host: `palyra-node requests`. One order a connection, as a line of JSON
 * that is checked before it is looked at; whoever cannot open the state folder cannot get here.
 */
export class AnswerChannel implements AsyncDisposable {
  readonly #options: AnswerChannelOptions;
  readonly #listener: ChannelListener;
  readonly #connections = new Set<Deno.Conn>();
  readonly #serving = new Set<Promise<void>>();
  readonly #closed = new AbortController();

  private constructor(options: AnswerChannelOptions, listener: ChannelListener) {
    this.#options = options;
    this.#listener = listener;
    this.#track(this.#accept());
  }

  /** Listens. Rejects with `permission_missing`, or what the system says. */
  static async open(options: AnswerChannelOptions): Promise<AnswerChannel> {
    const listener = await listenForCommands(options.address).catch((thrown: unknown) => {
      throw thrown instanceof Deno.errors.NotCapable ? channelNotPermitted(options.address, thrown) : thrown;
    });
    return new AnswerChannel(options, listener);
  }

  /** Listens no more and ends every connection. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed.abort();
    await this.#listener[Symbol.asyncDispose]();
    for (const conn of this.#connections) close(conn);
    await Promise.all(this.#serving);
  }

  async #accept(): Promise<void> {
    while (!this.#closed.signal.aborted) {
      try {
        // deno-lint-ignore no-await-in-loop -- one connection after the other
        const conn = await this.#listener.listener.accept();
        if (this.#connections.size >= MAX_CONNECTIONS) close(conn);
        else this.#track(this.#serve(conn));
      } catch (error) {
        if (this.#closed.signal.aborted) return;
        logger.warning("A command could not be taken; it can be repeated.", { error });
        // No file descriptors left, say: trying at once would fail at once.
        // deno-lint-ignore no-await-in-loop -- as above
        await delay(ACCEPT_PAUSE_MS, undefined, { signal: this.#closed.signal }).catch(() => {});
      }
    }
  }

  #track(work: Promise<void>): void {
    const tracked = work.finally(() => this.#serving.delete(tracked));
    this.#serving.add(tracked);
  }

  /** Never rejects. */
  async #serve(conn: Deno.Conn): Promise<void> {
    this.#connections.add(conn);
    const timer = setTimeout(() => close(conn), ORDER_TIMEOUT_MS);
    try {
      const lines = readLines(conn, MAX_ORDER_BYTES);
      const { value: line } = await lines.next();
      clearTimeout(timer);
      if (line === undefined) return;
      const order = this.#parse(line);
      if (order.op === "watch") await this.#watch(conn, lines);
      else await send(conn, await this.#perform(order));
    } catch (thrown) {
      await this.#refuse(conn, thrown);
    } finally {
      clearTimeout(timer);
      this.#connections.delete(conn);
      close(conn);
    }
  }

  async #refuse(conn: Deno.Conn, thrown: unknown): Promise<void> {
    if (!(thrown instanceof PalyraError)) logger.debug("A connection of a command broke off.", { error: thrown });
    else await send(conn, { kind: "error", code: thrown.code, message: thrown.message }).catch(() => {});
  }

  #parse(line: string): ChannelOrder {
    const parsed = v.safeParse(OrderSchema, parseJson(line));
    if (!parsed.success) {
      throw new PalyraError(
        "invalid_argument",
        "palyra-node did not understand the command; make sure that both are of the same version.",
      );
    }
    const { secret } = this.#listener;
    if (secret !== undefined && !sameSecret(parsed.output.secret ?? "", secret)) {
      throw new PalyraError("invalid_argument", "The command did not show the secret of this palyra-node.");
    }
    return parsed.output;
  }

  async #perform(order: Exclude<ChannelOrder, { op: "watch" }>): Promise<OutgoingReply> {
    const { desk, remembered } = this.#options;
    switch (order.op) {
      case "list":
        return { kind: "questions", questions: desk.waiting };
      case "answer":
        desk.answer(order.id, order.answer, "command");
        return { kind: "done" };
      case "remembered":
        return { kind: "remembered", answers: [...remembered.all] };
      case "forget":
        return { kind: "remembered", answers: [...await remembered.forget(order.ids)] };
    }
  }

  /** Tells of what waits and of every event, until either side ends it. */
  async #watch(conn: Deno.Conn, lines: AsyncGenerator<string>): Promise<void> {
    const { desk } = this.#options;
    let unread = 0;
    let sent = Promise.resolve();
    const tell = (reply: OutgoingReply) => {
      unread += 1;
      if (unread > MAX_UNREAD_EVENTS) return close(conn);
      sent = sent.then(() => send(conn, reply)).then(() => void unread--, () => close(conn));
    };
    for (const question of desk.waiting) tell({ kind: "asked", question });
    const unwatch = desk.watch((event) => tell(eventReply(event)));
    try {
      // Nothing more is to come: this ends when the connection does.
      await lines.next();
    } finally {
      unwatch();
      await sent;
    }
  }
}

function eventReply(event: QuestionEvent): OutgoingReply {
  if (event.kind === "asked") return { kind: "asked", question: event.question };
  const { question: { id }, end } = event;
  return end.kind === "answered"
    ? { kind: "ended", id, end: end.kind, answer: end.answer, by: end.by }
    : { kind: "ended", id, end: end.kind };
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

function sameSecret(shown: string, secret: string): boolean {
  const encoder = new TextEncoder();
  return sameBytes(encoder.encode(shown), encoder.encode(secret));
}

async function send(conn: Deno.Conn, reply: OutgoingReply): Promise<void> {
  await writeLine(conn, JSON.stringify(reply));
}

function close(conn: Deno.Conn): void {
  try {
    conn.close();
  } catch {
    // It has ended already.
  }
}
