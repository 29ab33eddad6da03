import type { CapabilityResult } from "../proto/gen/node.ts";
import type { AttemptName } from "./dispatch.ts";

/** A result that the daemon has not acknowledged. */
interface HeldResult {
  readonly name: AttemptName;
  readonly result: CapabilityResult;
  readonly bytes: number;
}

/** Bytes of results that may be under way on one session at once; well below what a session takes before it is cut. */
const WINDOW_BYTES: number = 4 * 1024 * 1024;

/** What a result takes beside its output, roughly, in bytes. */
const OVERHEAD_BYTES = 512;

/**
 * The results that the daemon may not have on disk yet. They outlive a session: each new one gets all of them again, a
 * few megabytes at a time, until they are acknowledged.
 */
export class UnacknowledgedResults {
  readonly #held = new Map<string, HeldResult>();
  /** Of these, the ones that were not sent on the session of the moment, oldest first. */
  readonly #waiting = new Set<HeldResult>();
  #send: ((result: CapabilityResult) => void) | undefined;
  #bytes = 0;
  #bytesUnderWay = 0;

  /** How many there are. */
  get count(): number {
    return this.#held.size;
  }

  /** What they take, in bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Which attempts they belong to, oldest first. */
  get names(): AttemptName[] {
    return [...this.#held.values()].map(({ name }) => name);
  }

  /** The attempt of this request whose result is held. */
  attemptOf(requestId: string): number | undefined {
    return this.#held.get(requestId)?.name.attempt;
  }

  /** Keeps the result of a request's newest attempt, and sends it when there is a session with room. */
  add(name: AttemptName, result: CapabilityResult): void {
    const held = { name, result, bytes: result.outputJson.byteLength + OVERHEAD_BYTES };
    this.#held.set(name.requestId, held);
    this.#bytes += held.bytes;
    this.#waiting.add(held);
    this.#pump();
  }

  /** The daemon has the result of this attempt, or does not want it. */
  remove({ requestId, attempt }: AttemptName): void {
    const held = this.#held.get(requestId);
    if (held?.name.attempt !== attempt) return;
    this.#held.delete(requestId);
    this.#bytes -= held.bytes;
    if (!this.#waiting.delete(held)) this.#bytesUnderWay -= held.bytes;
    this.#pump();
  }

  /** From now on results go over `send`, those that are held first. Undefined: there is no session. */
  sendOver(send: ((result: CapabilityResult) => void) | undefined): void {
    this.#send = send;
    this.#bytesUnderWay = 0;
    this.#waiting.clear();
    for (const held of this.#held.values()) this.#waiting.add(held);
    this.#pump();
  }

  #pump(): void {
    if (this.#send === undefined) return;
    for (const held of this.#waiting) {
      // One always goes, however large.
      if (this.#bytesUnderWay > 0 && this.#bytesUnderWay + held.bytes > WINDOW_BYTES) return;
      this.#waiting.delete(held);
      this.#bytesUnderWay += held.bytes;
      this.#send(held.result);
    }
  }
}
