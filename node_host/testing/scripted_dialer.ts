import { PalyraError } from "../../identity/palyra_error.ts";
import type { NodeSession, SessionDialer, TransportName } from "../../transport/session.ts";
import { ScriptedDaemon } from "./scripted_daemon.ts";
import { sessionPair } from "./session_pair.ts";

/** How one dial ends: an error, or a session with which the daemon does this. */
export type DialAnswer = PalyraError | ((daemon: ScriptedDaemon) => void);

/** A dial that the test ends. */
export interface PendingDial {
  readonly signal: AbortSignal;
  answer(answer: DialAnswer): void;
}

/**
 * For tests: dials as the test says. Each dial takes the next answer; without one it stays pending, until the test ends it
 * or its signal aborts.
 */
export class ScriptedDialer implements SessionDialer {
  readonly transport: TransportName;
  readonly answers: DialAnswer[];
  /** The node's ends of the sessions that were opened. */
  readonly sessions: NodeSession[] = [];
  /** How often it was dialled. */
  dials = 0;
  onDial: (() => void) | undefined;
  readonly #pending: PendingDial[] = [];
  #changed = Promise.withResolvers<void>();

  constructor(transport: TransportName, ...answers: DialAnswer[]) {
    this.transport = transport;
    this.answers = answers;
  }

  dial(signal: AbortSignal): Promise<NodeSession> {
    const { promise, resolve, reject } = Promise.withResolvers<NodeSession>();
    const answerDial = (answer: DialAnswer) =>
      answer instanceof PalyraError ? reject(answer) : resolve(this.#open(answer));
    const answer = this.answers.shift();
    if (answer === undefined) {
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      this.#pending.push({ signal, answer: answerDial });
    } else {
      answerDial(answer);
    }
    this.dials += 1;
    this.onDial?.();
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
    return promise;
  }

  /** The next dial that has no answer of its own. */
  async pending(): Promise<PendingDial> {
    for (;;) {
      const dial = this.#pending.shift();
      if (dial !== undefined) return dial;
      // deno-lint-ignore no-await-in-loop -- waits for one dial after the other
      await this.#changed.promise;
    }
  }

  #open(serve: (daemon: ScriptedDaemon) => void): NodeSession {
    const { node, daemon } = sessionPair(this.transport);
    serve(new ScriptedDaemon(daemon));
    this.sessions.push(node);
    return node;
  }
}
