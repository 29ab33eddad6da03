import { getLogger } from "@logtape/logtape";
import type { Fingerprint } from "../identity/fingerprint.ts";
import type { RevocationIndex } from "../identity/revocation_index.ts";
import { certificateRefusal } from "./certificate_refusal.ts";
import type { DaemonListeners } from "./daemon_listeners.ts";
import type { NodeSessionServer } from "./node_session_server.ts";

const log = getLogger(["palyra", "daemon", "revocation"]);

/**
 * How long a peer may take to read why it is cut, in milliseconds. Nothing that it sends is listened to meanwhile, and a
 * peer that has ended its side is cut at once.
 */
export const GOODBYE_MS = 20;

/** What {@linkcode RevocationCut} needs. */
export interface RevocationCutOptions {
  readonly revocations: RevocationIndex;
  readonly sessions: Pick<NodeSessionServer, "closeCertificate">;
  readonly listeners: Pick<DaemonListeners, "cut">;
}

/**
 * Closes what a revoked certificate has opened, on both transports: its sessions with a Goodbye in the turn of the event
 * loop in which the index has it, their connections as soon as the peer has ended its side as well, and every connection
 * {@linkcode GOODBYE_MS} later whatever the peer does. New ones are refused from the first moment, by the registry.
 */
export class RevocationCut {
  readonly #options: RevocationCutOptions;
  readonly #timers = new Set<ReturnType<typeof setTimeout>>();
  readonly #unsubscribe: () => void;

  private constructor(options: RevocationCutOptions) {
    this.#options = options;
    this.#unsubscribe = options.revocations.onRevoked((entry) => {
      if (entry.kind === "certificate") this.#cut(entry.fingerprint, entry.reason);
    });
  }

  /** Follows the index from now on; what is in it already has no connections. */
  static start(options: RevocationCutOptions): RevocationCut {
    return new RevocationCut(options);
  }

  /** Ends it; what was still open is the listeners' to close. */
  stop(): void {
    this.#unsubscribe();
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }

  #cut(fingerprint: Fingerprint, reason: string): void {
    const { sessions, listeners } = this.#options;
    const began = performance.now();
    const { code, message } = certificateRefusal(reason);
    const ends = sessions.closeCertificate(fingerprint, code, message);
    let connections = 0;
    const timer = setTimeout(() => {
      // Also where every session has ended: calls and streams may have come on connections of their own.
      connections += listeners.cut(fingerprint);
      done();
    }, GOODBYE_MS);
    this.#timers.add(timer);
    const done = () => {
      if (!this.#timers.delete(timer)) return;
      if (ends.length + connections === 0) return;
      log.info("The connections of a revoked certificate are closed.", {
        fingerprint,
        sessions: ends.length,
        connections,
        tookMs: Math.round((performance.now() - began) * 10) / 10,
      });
    };
    if (ends.length === 0) return;
    void Promise.all(ends).then(() => {
      if (!this.#timers.has(timer)) return;
      clearTimeout(timer);
      connections += listeners.cut(fingerprint);
      done();
    });
  }
}
